/** The words of one link, for `berth trace` and the page. */
import type { VolumeTrace } from './trace-volume.js';

type Attachment = NonNullable<VolumeTrace['attachments']>[number];
type Node = VolumeTrace['facts'][number]['node'];
type Pod = Pick<NonNullable<VolumeTrace['pods']>[number], 'name' | 'node' | 'phase' | 'deletingSince' | 'runtimeClass'>;
type Image = VolumeTrace['image'];
type Holders = Exclude<Image, undefined | 'absent' | { readonly error: string }>;

const CSI_NODE = {
  registered: 'driver registered',
  driverMissing: 'driver not registered',
  absent: 'no CSINode',
  unknown: 'CSINode not known',
} as const;

/** @param handle of the volume that is traced; undefined for a node alone */
export function nodeLine(name: string, { view, csiNode, inUse }: Node, handle: string | undefined): string {
  const mounted = handle !== undefined && inUse.includes(handle) ? ', its kubelet has the volume in use' : '';
  return `${name}: ${viewLine(view)}, ${CSI_NODE[csiNode]}${mounted}`;
}

function viewLine(view: Node['view']): string {
  if (view === 'absent') return 'not in the API';
  if (view === 'unknown') return 'not known';
  const ready = view.ready === 'true' ? 'ready' : `not ready since ${view.notReadySince ?? '?'}`;
  return view.outOfService ? `out of service, ${ready}` : ready;
}

export function attachmentLine(one: Attachment): string {
  const { name, node, attached, since = '?', deletingSince, finalizers, error } = one;
  const keptBy = finalizers.join(', ') || 'none';
  const leaving = deletingSince === undefined ? '' : `, to go since ${deletingSince} (finalizers: ${keptBy})`;
  const failure = error === undefined ? '' : `, last error: ${error}`;
  return `${name}: ${node}, ${attached ? 'attached' : 'not attached'}, made ${since}${leaving}${failure}`;
}

export function holderLine({ holders, elsewhere, mode }: Holders): string {
  const who = [...holders, ...elsewhere].map(({ node, since, by, state }) => {
    const taken = `${node} since ${since} by ${by === 'controller' ? 'attach' : 'the node'}`;
    return state === undefined ? taken : `${taken}, ${state}`;
  });
  return who.length === 0 ? 'nobody' : `${who.join('; ')} (${mode ?? '?'})`;
}

/** With its snapshots and its lock, where it could be opened. */
export function imageLines(
  image: Image,
  description: VolumeTrace['description'],
): readonly (readonly [string, string])[] {
  if (image === 'absent') return [['image', 'Ceph does not have it']];
  if (image === undefined || 'error' in image) return [['image', `not known: ${image?.error ?? ''}`]];
  if (description === undefined) return [['image', 'there']];
  const { sizeBytes, content, snapshots, clones, parent, locks } = description;
  const from = parent === undefined ? '' : `, a clone of ${parent}`;
  const kept = clones.length === 0 ? '' : `, cloned as ${clones.join(', ')}`;
  return [
    ['image', `${sizeBytes} bytes${content === '' ? '' : `, ${content}`}${from}`],
    ['snapshots', `${snapshots.length === 0 ? 'none' : snapshots.join(', ')}${kept}`],
    ['advisory lock', locks === undefined ? 'none' : `${locks.says}: no writer gets it`],
  ];
}

export function podLine({ name, node, phase, deletingSince, runtimeClass }: Pod): string {
  const at = node === undefined ? 'on no node' : `on ${node}`;
  const sandbox = runtimeClass === undefined ? '' : `, RuntimeClass ${runtimeClass}`;
  const going = deletingSince === undefined ? '' : `, to be gone at ${deletingSince}`;
  return `${name} ${at}, ${phase || 'of unknown phase'}${sandbox}${going}`;
}
