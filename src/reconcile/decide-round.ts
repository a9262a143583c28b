/** The decision of a round: a pure function from what is there to what may be done and what has to be said. */
import type { Decisions } from './decision.js';
import { Decided } from './decision.js';
import { decideEntry } from './decide-entry.js';
import { decideKubelet } from './decide-kubelet.js';
import { decideMapping } from './decide-mapping.js';
import type { NodeFacts } from './node-facts.js';
import { NodeView } from './view.js';

export function decide(facts: NodeFacts): Decisions {
  const view = new NodeView(facts);
  const decided = new Decided();
  for (const file of facts.unreadable) {
    const why = 'a newer Berth may have written it';
    const then = 'move it away once its volume is unstaged, then its leftovers are seen';
    const todo = `look at it: ${why}; ${then}`;
    decided.report(file, 'ours', 'this journal file cannot be read', todo);
  }
  for (const entry of facts.entries) decideEntry(view, entry, decided);
  for (const seen of facts.mappings) decideMapping(view, seen, decided);
  const goes = new Set(decided.acts.filter(({ kind }) => kind === 'forget').map(({ volume }) => volume ?? ''));
  for (const found of facts.kubelet.volumes) decideKubelet(view, found, goes, decided);
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
