/**
 * What becomes of a kubelet's directory of one of our volumes: left while anybody may need it, cleared once it can only
 * be a leftover.
 */
import type { Decided } from './decision.js';
import type { KubeletVolume } from './node-facts.js';
import type { NodeView } from './view.js';

/** @param goes volumes whose journal entry is forgotten in this round */
export function decideKubelet(view: NodeView, found: KubeletVolume, goes: ReadonlySet<string>, decided: Decided): void {
  const { volume, mountPoint, directory } = found;
  if (view.facts.isRunning(volume)) return;
  const mappings = view.mappingsOf(volume);
  const [mount] = [...view.mountsAt(mountPoint), ...view.mountsAt(directory)];
  if (mount !== undefined) {
    const isOurs = mappings.some((seen) => seen.number === mount.device || view.mountsOf(seen).includes(mount.target));
    if (!isOurs && view.entry(volume) === undefined) {
      const there = `${mount.source} (${mount.fsType}) is mounted there`;
      const what = `${there}, in the place of ${volume}, which is not staged here`;
      decided.report(mount.target, 'foreign', what, 'unmount it if it should not be there');
    }
    return;
  }
  const isExpected = mappings.length > 0 || (view.entry(volume) !== undefined && !goes.has(volume));
  if (isExpected || view.facts.blind.size > 0 || view.isFresh(found.changed)) return;
  const why = whyLeft(view, found);
  if (why === undefined) {
    const how = `${volume} is not on this node, nothing is mounted in ${found.owner}, and nothing changed here lately`;
    decided.acts.push({ kind: 'clear', volume, leftover: found, why: how });
  } else if (why !== '')
    decided.report(directory, 'unsure', `left over of ${volume}: ${why}`, 'look, and remove it by hand');
}

/** Undefined where nothing speaks against clearing it; empty where it will be cleared after another. */
function whyLeft(
  view: NodeView,
  { kind, volume, owner, others, state, mountPoint }: KubeletVolume,
): string | undefined {
  if (view.facts.unreadable.length > 0) return 'a journal file that cannot be read may be about it';
  if (kind === 'block') return 'a raw block volume';
  if (others.length > 0) return `it also holds ${others.join(', ')}`;
  if (state === 'full') return `${mountPoint} holds files: somebody wrote to the node’s own disk`;
  if (state === 'no directory') return `${mountPoint} is not a directory`;
  if (view.isMountWithin(owner)) return `something is mounted in ${owner}: its pod may run`;
  if (kind === 'stage' && view.kubeletOf(volume).some((other) => other.kind !== 'stage')) return '';
  return undefined;
}
