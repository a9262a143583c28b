/**
 * `berth trace`: one page from a claim to the clients that have its image open, and one sentence on why it is stuck.
 */
import type { ApiAttachment, ApiNode, ApiVolume, Attachments } from '../kube/volume-attachments.js';
import { Deadline } from '../model/deadline.js';
import { berthError, isBerthError } from '../model/errors.js';
import { parseVolumeId } from '../model/volume-id.js';
import { judge } from '../diagnosis/attachment/decide-attachment.js';
import type { AttachmentFacts, Image } from '../diagnosis/attachment/attachment-facts.js';
import { factsOf, factsOfHolder, type ImageStates } from '../diagnosis/attachment/gather-attachment.js';

export interface TraceRoom {
  /** Undefined without Kubernetes. */
  readonly api: Attachments | undefined;
  readonly ceph: ImageStates;
  readonly journal: (volume: string) => Promise<string>;
  readonly now: () => Date;
}

type Line = readonly [string, string];

/** What all readings may take, in ms. */
const BUDGET_MS = 30_000;
const WIDTH = 20;

/**
 * The page of a volume that is named by its claim (`namespace/name`), its PersistentVolume or its handle.
 * BERTH_KUBE_OFF for a name that only Kubernetes knows, BERTH_KUBE_NOT_FOUND.
 */
export async function trace(room: TraceRoom, name: string): Promise<string> {
  const deadline = Deadline.after(BUDGET_MS);
  const { lines, handle, pv } = await find(room, name, deadline);
  if (handle === undefined) return page([...lines, ['stuck', 'it has no volume yet']]);
  const seen = await attachmentsOf(room, { handle, pv }, deadline);
  const { api, ceph } = room;
  const attachments = typeof seen === 'string' ? [] : seen;
  const facts: AttachmentFacts[] = [];
  for (const one of attachments) if (api !== undefined) facts.push(await factsOf(api, ceph, one, deadline));
  const image = facts.find((one) => one.volume === handle)?.image ?? (await imageOf(room, handle, deadline));
  const others = holdersIn(image).filter(({ node }) => !facts.some((one) => one.nodeId === node));
  // Whether a holder lacks an attachment can only be said by who could see those.
  const asked = typeof seen === 'string' ? [] : others;
  const unknown = await Promise.all(asked.map(({ node }) => holderFacts(room, handle, node, pv, deadline)));
  const all = [...facts, ...unknown.filter((one) => one !== undefined)];
  return page([
    ...lines,
    ...(typeof seen === 'string' ? [['volume attachment', `not known: ${seen}`] as const] : attachmentLines(seen)),
    ...all.map((one): Line => ['node', nodeLine(one.nodeName, one.node, handle)]),
    ...imageLines(image),
    ['journal, this node', await room.journal(handle)],
    ...(typeof seen === 'string' ? [] : stuckLines(all, room)),
  ]);
}

interface Found {
  readonly lines: readonly Line[];
  readonly handle: string | undefined;
  readonly pv: ApiVolume | undefined;
}

async function find({ api }: TraceRoom, name: string, deadline: Deadline): Promise<Found> {
  // A handle has three parts or four, a claim two, a PersistentVolume one.
  if (name.split('/').length > 2) {
    if (parseVolumeId(name) === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: name });
    const pv = (await api?.listVolumes(deadline).catch(() => undefined))?.find((one) => one.handle === name);
    return { lines: pv === undefined ? [['volume', name]] : volumeLines(pv), handle: name, pv };
  }
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding the volume of ${name}` });
  const [namespace = '', claim] = name.includes('/') ? name.split('/') : ['', undefined];
  const pvName = claim === undefined ? name : await api.volumeNameOfClaim(namespace, claim, deadline);
  if (pvName === '') return { lines: [['claim', `${name}, bound to nothing`]], handle: undefined, pv: undefined };
  const pv = await api.readVolume(pvName, deadline);
  if (pv === 'absent') throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolume', name: pvName });
  if (pv === undefined)
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: `${pvName}, a PersistentVolume of another driver,` });
  return { lines: volumeLines(pv), handle: pv.handle, pv };
}

const volumeLines = ({ name, handle, claim }: ApiVolume): readonly Line[] => [
  ['claim', claim ?? 'none'],
  ['persistent volume', name],
  ['volume', handle],
];

async function attachmentsOf(
  { api }: TraceRoom,
  { handle, pv }: { readonly handle: string; readonly pv: ApiVolume | undefined },
  deadline: Deadline,
): Promise<readonly ApiAttachment[] | string> {
  if (api === undefined) return 'no Kubernetes API is configured';
  try {
    const all = await api.list(deadline);
    return all.filter((one) => (pv !== undefined && one.pv === pv.name) || one.inlineHandle === handle);
  } catch (error) {
    // An API that is down, or an account that may not ask (a node's): what Ceph and the journal say is worth more than
    // an error.
    return isBerthError(error) ? error.message : String(error);
  }
}

async function imageOf({ ceph }: TraceRoom, handle: string, deadline: Deadline): Promise<Image> {
  try {
    return await ceph.holding(handle, true, deadline);
  } catch (error) {
    return { error: isBerthError(error) ? error.message : String(error) };
  }
}

/** Undefined without Kubernetes: there is nothing to compare with then. */
async function holderFacts(
  { api, ceph }: TraceRoom,
  volume: string,
  nodeId: string,
  pv: ApiVolume | undefined,
  deadline: Deadline,
): Promise<AttachmentFacts | undefined> {
  if (api === undefined) return undefined;
  const facts = await factsOfHolder(api, ceph, { volume, nodeId }, deadline);
  return { ...facts, pv: pv === undefined ? 'absent' : 'present' };
}

function attachmentLines(all: readonly ApiAttachment[]): readonly Line[] {
  if (all.length === 0) return [['volume attachment', 'none']];
  return all.map(({ name, node, attached, since = '?', deletingSince, finalizers, error }): Line => {
    const going =
      deletingSince === undefined
        ? ''
        : `, to go since ${deletingSince} (finalizers: ${finalizers.join(', ') || 'none'})`;
    const says = error === undefined ? '' : `, last error: ${error}`;
    return [
      'volume attachment',
      `${name}: ${node}, ${attached ? 'attached' : 'not attached'}, made ${since}${going}${says}`,
    ];
  });
}

const CSI_NODE = {
  registered: 'driver registered',
  driverMissing: 'driver not registered',
  absent: 'no CSINode',
  unknown: 'CSINode not known',
} as const;

function nodeLine(name: string, { view, csiNode, inUse }: ApiNode, handle: string): string {
  const mounted = inUse.includes(handle) ? ', its kubelet has the volume in use' : '';
  return `${name}: ${viewLine(view)}, ${CSI_NODE[csiNode]}${mounted}`;
}

function viewLine(view: ApiNode['view']): string {
  if (view === 'absent') return 'not in the API';
  if (view === 'unknown') return 'not known';
  const ready = view.ready === 'true' ? 'ready' : `not ready since ${view.notReadySince ?? '?'}`;
  return view.outOfService ? `out of service, ${ready}` : ready;
}

const holdersIn = (image: Image) => (typeof image === 'object' && 'holders' in image ? image.holders : []);

function imageLines(image: Image): readonly Line[] {
  if (image === 'absent') return [['image', 'Ceph does not have it']];
  if ('error' in image) return [['image', `not known: ${image.error}`]];
  const { holders, mode, watchers = [] } = image;
  const who = holders.map(
    ({ node, since, by }) => `${node} since ${since} by ${by === 'controller' ? 'attach' : 'the node'}`,
  );
  return [
    ['holder record', who.length === 0 ? 'nobody' : `${who.join('; ')} (${mode ?? '?'})`],
    ['image open at', watchers.length === 0 ? 'nowhere' : watchers.join(', ')],
  ];
}

function stuckLines(all: readonly AttachmentFacts[], { api, now }: TraceRoom): readonly Line[] {
  if (api === undefined) return [];
  const measure = { now: now().toISOString(), ageMs: 0, driver: api.driver };
  const found = all.flatMap((one) => judge(one, measure) ?? []);
  if (found.length === 0) return [['stuck', 'no: API and image agree']];
  return found.map(({ reason, says }): Line => ['stuck', `${reason}: ${says}`]);
}

const page = (lines: readonly Line[]): string =>
  `${lines.map(([what, says]) => `${what.padEnd(WIDTH)}${says}`).join('\n')}\n`;
