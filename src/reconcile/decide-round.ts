/**
 * The decision of a round: from what is there to what may be done and what has to be said; it reads nothing. Calls have
 * their turns meanwhile, so a volume may have changed: each act looks again before it is done.
 */
import { workThrough } from '../model/settle-all.js';
import type { Decisions } from './decision.js';
import { Decided } from './decision.js';
import { decideEntry } from './decide-entry.js';
import { decideKubelet } from './decide-kubelet.js';
import { decideMapping } from './decide-mapping.js';
import type { NodeFacts } from './node-facts.js';
import { NodeView } from './view.js';

export async function decide(facts: NodeFacts): Promise<Decisions> {
  const view = await NodeView.over(facts);
  const decided = new Decided();
  for (const file of facts.unreadable) {
    const why = 'a newer Berth may have written it';
    const then = 'move it away once its volume is unstaged, then its leftovers are seen';
    const todo = `look at it: ${why}; ${then}`;
    decided.report(file, 'ours', 'this journal file cannot be read', todo);
  }
  await workThrough(facts.entries, 1, (entry) => decideEntry(view, entry, decided));
  await workThrough(facts.mappings, 1, (seen) => decideMapping(view, seen, decided));
  const goes = new Set(decided.acts.filter(({ kind }) => kind === 'forget').map(({ volume }) => volume ?? ''));
  await workThrough(facts.kubelet.volumes, 1, (found) => decideKubelet(view, found, goes, decided));
  for (const { directory, why } of facts.kubelet.unclear) decided.report(directory, 'unsure', why);
  if (facts.kubelet.incomplete !== undefined) {
    decided.report(
      'the kubelet’s directories',
      'unsure',
      facts.kubelet.incomplete,
      'mount them into the node plugin, or set --kubelet-dir',
    );
  }
  if (facts.places === undefined) decided.report('the clusters file', 'unsure', 'it cannot be read', 'see the log');
  return decided;
}
