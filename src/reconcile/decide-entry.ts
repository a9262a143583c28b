/** What becomes of a journal entry: what it meant, against what the kernel has and the kubelet still claims. */
import { isMountedHere, type JournalEntry } from '../journal/entry.js';
import type { Decided } from './decision.js';
import type { SeenMapping } from './node-facts.js';
import type { NodeView } from './view.js';

/** An entry beside all that bears on it. */
interface Case {
  readonly entry: JournalEntry;
  readonly mapping: SeenMapping | undefined;
  /** Something is mounted at the staging path. */
  readonly staged: boolean;
  /** Targets of the journal with something mounted on them. */
  readonly live: readonly string[];
  /** Mounts of the device that the journal does not know. */
  readonly elsewhere: readonly string[];
  /** Kubelet's directories that claim the volume. */
  readonly claims: readonly string[];
  readonly fresh: boolean;
  /** Its last pod has left it, or it was staged, long ago. */
  readonly rested: boolean;
}

export function decideEntry(view: NodeView, entry: JournalEntry, decided: Decided): void {
  const { volume, mapper } = entry;
  if (view.facts.isRunning(volume)) return;
  const blind = view.facts.blind.get(mapper);
  if (blind !== undefined) {
    decided.report(volume, 'unsure', `the mappings of ${mapper} cannot be listed: ${blind}`, 'see the log');
    return;
  }
  const found = caseOf(view, entry);
  if (entry.handedTo !== undefined && entry.state === 'staged') decideHandedOver(found, entry.handedTo, decided);
  else if (found.mapping === undefined) decideUnmapped(view, found, decided);
  else if (entry.state === 'staged') decideStaged(view, found, found.mapping, decided);
  else decideHalfWay(view, found, found.mapping, decided);
}

function caseOf(view: NodeView, entry: JournalEntry): Case {
  const mapping = view.mappingOf(entry);
  const targets = Object.keys(entry.targets);
  const mounts = mapping === undefined ? [] : view.mountsOf(mapping);
  return {
    entry,
    mapping,
    staged: view.mountsAt(entry.stagingPath).length > 0,
    live: targets.filter((target) => view.mountsAt(target).length > 0),
    elsewhere: mounts.filter((at) => at !== entry.stagingPath && !targets.includes(at)),
    claims: view.claimsOf(entry.volume).map(({ directory }) => directory),
    fresh: view.isFresh(Date.parse(entry.since)),
    rested: !view.isFresh(Math.max(Date.parse(entry.since), Date.parse(entry.unpublished ?? entry.since))),
  };
}

/** A volume that was handed over has nothing on this node, also after a reboot. The kubelet ends the hand-over. */
function decideHandedOver({ entry, mapping }: Case, runtime: string, decided: Decided): void {
  if (mapping === undefined) return;
  const { device } = mapping.mapping;
  const what = `handed to ${runtime} by ${entry.stagingPath}, and mapped on this node as ${device} as well`;
  decided.report(entry.volume, 'ours', what, `unmap ${device}: two kernels on one filesystem destroy it`);
}

/** The kernel has no mapping: after a reboot, or a crash before it came to be. */
function decideUnmapped(view: NodeView, { entry, staged, live, fresh }: Case, decided: Decided): void {
  const { volume, state, holdsRecord } = entry;
  if (staged || live.length > 0) {
    const at = staged ? [entry.stagingPath, ...live] : live;
    const what = `${state} and not mapped any more, but something is mounted at ${at.join(', ')}`;
    decided.report(volume, 'ours', what, 'end the pods that use it; a volume whose device is gone answers I/O errors');
    return;
  }
  // Such a mapping is reported by itself. The entry waits until somebody has undone it.
  if (view.mappingsOf(volume).length > 0) return;
  // The kernel may still be about to map: an `rbd map` that outlived the driver, or had to be given up.
  if (state !== 'staged' && fresh) return;
  if (state === 'unstaging' && holdsRecord) {
    decided.acts.push({
      kind: 'give back',
      volume,
      entry,
      why: 'unstaged, and its holder record is still this node’s',
    });
    return;
  }
  decided.acts.push({
    kind: 'forget',
    volume,
    entry,
    why: `${state}, and the kernel has neither mapping nor mount of it`,
  });
}

/** A stage or an unstage was cut short with the device mapped. */
function decideHalfWay(view: NodeView, found: Case, seen: SeenMapping, decided: Decided): void {
  const { entry, live, elsewhere, claims, fresh } = found;
  const { mapping } = seen;
  const { volume, state } = entry;
  const users = [...live, ...elsewhere];
  if (users.length > 0) {
    const what = `${state} since ${entry.since}, and ${mapping.device} is mounted at ${users.join(', ')}`;
    decided.report(volume, 'ours', what, 'unmount it there; the rest is done then');
    return;
  }
  const isMounted = view.mountsOf(seen).includes(entry.stagingPath);
  if (isMounted && seen.unserved !== undefined && mapping.mapper === 'nbd' && (state === 'unstaging' || !fresh)) {
    // It cannot be unmounted before somebody serves it again.
    decideUnserved(entry, seen, seen.unserved, decided);
    return;
  }
  if (state === 'unstaging') {
    const why = `its unstage was cut short; ${mapping.device} is still mapped`;
    decided.acts.push({ kind: 'complete', volume, entry, why });
    return;
  }
  if (fresh) return;
  undo(view, found, mapping.device, 'its stage was cut short', decided, claims);
}

function decideStaged(view: NodeView, found: Case, seen: SeenMapping, decided: Decided): void {
  const { entry, live, elsewhere, claims, fresh, rested } = found;
  const { volume, stagingPath } = entry;
  const { device } = seen.mapping;
  if (seen.unserved !== undefined) {
    decideUnserved(entry, seen, seen.unserved, decided);
    return;
  }
  if (entry.withPods === true && !fresh && live.length + elsewhere.length === 0) {
    undo(view, found, device, 'it was staged for pods that are gone or never came', decided, claims);
    return;
  }
  // What is left to guests has no mount; one that a crash left there goes with the next publish or unstage.
  if (!isMountedHere(entry) || view.mountsOf(seen).includes(stagingPath)) {
    // Only of what the kubelet stages by CSI it is known who claims it, and that no pod comes without asking us.
    const isOfKubelet = stagingPath.startsWith(`${view.facts.kubelet.root}/plugins/kubernetes.io/csi/`);
    if (isOfKubelet && rested && live.length + elsewhere.length === 0)
      undo(view, found, device, 'no pod has used it for long, and the kubelet has not unstaged it', decided, claims);
    return;
  }
  const users = [...live, ...elsewhere];
  if (users.length > 0) {
    const what = `${device} is not mounted at ${stagingPath} any more, but at ${users.join(', ')}`;
    decided.report(
      volume,
      'ours',
      what,
      'somebody unmounted it; its pods go on, a new pod needs the volume staged again',
    );
    return;
  }
  if (!fresh) undo(view, found, device, `it was unmounted from ${stagingPath} behind our back`, decided, claims);
}

/** Undo only where nobody claims the volume, and where everything that could claim it was read. */
function undo(
  view: NodeView,
  { entry }: Case,
  device: string,
  how: string,
  decided: Decided,
  claims: readonly string[],
): void {
  const { volume } = entry;
  const { root, incomplete } = view.facts.kubelet;
  const outside = root === undefined ? 'there is no kubelet here' : `it was staged outside of ${root}`;
  const unknown = root !== undefined && entry.stagingPath.startsWith(`${root}/`) ? incomplete : outside;
  if (claims.length > 0) {
    const what = `${how}; ${device} stays mapped while the kubelet has ${claims.join(', ')}`;
    decided.report(volume, 'ours', what, 'the kubelet stages or unstages it; if it never does, remove that directory');
  } else if (unknown !== undefined) {
    const what = `${how}; whether anybody claims it cannot be told: ${unknown}`;
    decided.report(volume, 'unsure', what, 'unstage it, or tell the node plugin its --kubelet-dir');
  } else {
    const why = `${how} (since ${entry.since}), nobody uses ${device} and no directory of the kubelet names it`;
    decided.acts.push({ kind: 'undo', volume, entry, why });
  }
}

function decideUnserved(entry: JournalEntry, { mapping }: SeenMapping, why: string, decided: Decided): void {
  const { volume } = entry;
  if (mapping.mapper === 'nbd') {
    decided.acts.push({ kind: 'reattach', volume, entry, why: `${mapping.device}: ${why}` });
    return;
  }
  decided.report(
    volume,
    'ours',
    `${mapping.device}: ${why}`,
    'end the pods that use it; it comes back when they start again',
  );
}
