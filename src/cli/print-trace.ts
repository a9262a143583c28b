/** The page of `berth trace`: one line for each thing between the claim and the clients, and why it is stuck. */
import type { AttachmentFacts, AttachmentFinding, Image } from '../diagnosis/attachment/attachment-facts.js';
import type { VolumeTrace } from '../diagnosis/attachment/trace-volume.js';

type Line = readonly [string, string];
type Attachment = NonNullable<VolumeTrace['attachments']>[number];
type Node = AttachmentFacts['node'];

const WIDTH = 20;

const CSI_NODE = {
  registered: 'driver registered',
  driverMissing: 'driver not registered',
  absent: 'no CSINode',
  unknown: 'CSINode not known',
} as const;

/** @param name as the person gave it; @param trace undefined for a claim that is bound to nothing */
export function printTrace(name: string, trace: VolumeTrace | undefined): string {
  if (trace === undefined)
    return page([
      ['claim', `${name}, bound to nothing`],
      ['stuck', 'it has no volume yet'],
    ]);
  const { attachments, whyNoAttachments = '', facts, image, journal, stuck } = trace;
  return page([
    ...volumeLines(trace),
    ...(attachments === undefined
      ? [['volume attachment', `not known: ${whyNoAttachments}`] as const]
      : attachmentLines(attachments)),
    ...facts.map((one): Line => ['node', nodeLine(one.nodeName, one.node, trace.handle)]),
    ...imageLines(image),
    ['journal, this node', journal],
    ...(stuck === undefined ? [] : stuckLines(stuck)),
  ]);
}

function volumeLines({ pv, handle }: VolumeTrace): readonly Line[] {
  if (pv === undefined) return [['volume', handle]];
  return [
    ['claim', pv.claim ?? 'none'],
    ['persistent volume', pv.name],
    ['volume', handle],
  ];
}

const attachmentLines = (all: readonly Attachment[]): readonly Line[] =>
  all.length === 0
    ? [['volume attachment', 'none']]
    : all.map((one): Line => ['volume attachment', attachmentLine(one)]);

function attachmentLine({ name, node, attached, since = '?', deletingSince, finalizers, error }: Attachment): string {
  const keptBy = finalizers.join(', ') || 'none';
  const leaving = deletingSince === undefined ? '' : `, to go since ${deletingSince} (finalizers: ${keptBy})`;
  const failure = error === undefined ? '' : `, last error: ${error}`;
  return `${name}: ${node}, ${attached ? 'attached' : 'not attached'}, made ${since}${leaving}${failure}`;
}

function nodeLine(name: string, { view, csiNode, inUse }: Node, handle: string): string {
  const mounted = inUse.includes(handle) ? ', its kubelet has the volume in use' : '';
  return `${name}: ${viewLine(view)}, ${CSI_NODE[csiNode]}${mounted}`;
}

function viewLine(view: Node['view']): string {
  if (view === 'absent') return 'not in the API';
  if (view === 'unknown') return 'not known';
  const ready = view.ready === 'true' ? 'ready' : `not ready since ${view.notReadySince ?? '?'}`;
  return view.outOfService ? `out of service, ${ready}` : ready;
}

function imageLines(image: Image): readonly Line[] {
  if (image === 'absent') return [['image', 'Ceph does not have it']];
  if ('error' in image) return [['image', `not known: ${image.error}`]];
  const { holders, elsewhere, mode, watchers = [], locks = '' } = image;
  const who = [...holders, ...elsewhere].map(({ node, since, by, state }) => {
    const taken = `${node} since ${since} by ${by === 'controller' ? 'attach' : 'the node'}`;
    return state === undefined ? taken : `${taken}, ${state}`;
  });
  return [
    ['holder record', who.length === 0 ? 'nobody' : `${who.join('; ')} (${mode ?? '?'})`],
    ['image open at', watchers.length === 0 ? 'nowhere' : watchers.join(', ')],
    ['advisory lock', locks === '' ? 'none' : `${locks}: no writer gets it`],
  ];
}

const stuckLines = (stuck: readonly AttachmentFinding[]): readonly Line[] =>
  stuck.length === 0
    ? [['stuck', 'no: API and image agree']]
    : stuck.map(({ reason, says }): Line => ['stuck', `${reason}: ${says}`]);

const page = (lines: readonly Line[]): string =>
  `${lines.map(([what, says]) => `${what.padEnd(WIDTH)}${says}`).join('\n')}\n`;
