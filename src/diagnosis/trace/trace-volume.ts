/** Everything about one volume, from its claim to its pods, gathered and compared: the chain, and where it breaks. */
import type { VolumeObject } from '../../kube/storage-objects.js';
import type { ApiAttachment, Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { AttachmentFacts, Image } from '../attachment/attachment-facts.js';
import { judge } from '../attachment/decide-attachment.js';
import {
  factsOf,
  factsOfHolder,
  type AttachmentApi,
  type ImageDescriptions,
  type ImageStates,
} from '../attachment/gather-attachment.js';
import { toldOf } from '../message-of.js';
import { claimBreaks } from './claim-breaks.js';
import { gatherPods, gatherUnbound, gatherVolumeEvents, type Look, type ObjectsAsked } from './gather-claim.js';
import { imageBreaks } from './image-breaks.js';
import { inOrder, LINK_OF, type Break, type Unseen } from './links.js';
import { linksElsewhere } from './links-elsewhere.js';
import { nodeBreaks } from './node-breaks.js';
import type { NodeView } from './node-view.js';
import { podBreaks } from './pod-breaks.js';
import type { VolumeFacts } from './volume-facts.js';

export interface TraceParts {
  /** Undefined without Kubernetes. */
  readonly api:
    | {
        readonly attachments: AttachmentApi & Pick<Attachments, 'list' | 'listVolumes'>;
        readonly objects: ObjectsAsked;
      }
    | undefined;
  readonly driver: string;
  readonly images: Pick<ImageStates, 'readHolders'> & ImageDescriptions;
  /** What this node has of the volume. */
  readonly here: (volume: string) => Promise<NodeView>;
  readonly nodeId: string;
  /** Rights of a controller: what is refused to a node by design is no fault. */
  readonly isController: boolean;
  readonly now: () => Date;
}

/** A volume by one of its names. */
export type VolumeNamed =
  | { readonly claim: string }
  | { readonly pv: string }
  /** Of the volume itself. */
  | { readonly handle: string };

export interface VolumeTrace extends VolumeFacts {
  /** The first is the link that is broken first. */
  readonly breaks: readonly Break[];
}

/** What all readings may take, in ms. */
const BUDGET_MS = 30_000;

/**
 * BERTH_KUBE_OFF for a name that only Kubernetes knows, BERTH_KUBE_NOT_FOUND, BERTH_VOLUME_NOT_FOUND for a volume of
 * another driver. What else cannot be read is told as a link that was not seen.
 */
export async function traceVolume(
  parts: TraceParts,
  named: VolumeNamed,
  deadline = Deadline.after(BUDGET_MS),
): Promise<VolumeTrace> {
  const unseen: Unseen[] = [];
  const look = lookInto(unseen, parts.isController);
  const bound = await findBound(parts, named, look, deadline);
  const seen = await gather(parts, bound, look, deadline);
  const facts = { ...seen, unseen: [...unseen, ...linksElsewhere(seen)] };
  return { ...facts, breaks: breaksOf(facts) };
}

const breaksOf = (facts: VolumeFacts): readonly Break[] => {
  const attached = facts.findings.map(({ reason, says }): Break => ({ link: LINK_OF[reason], reason, says }));
  const all = [...claimBreaks(facts), ...imageBreaks(facts), ...attached, ...nodeBreaks(facts), ...podBreaks(facts)];
  return inOrder(all);
};

/** What names the volume, as far as the API knows it. */
type Bound = Pick<
  VolumeFacts,
  'claimName' | 'claim' | 'isClaimGone' | 'unbound' | 'pvName' | 'pv' | 'pvEvents' | 'handle'
>;

const NOTHING: Bound = {
  ...{ claimName: undefined, claim: undefined, isClaimGone: false, unbound: undefined },
  ...{ pvName: undefined, pv: undefined, pvEvents: [], handle: undefined },
};

async function findBound(parts: TraceParts, named: VolumeNamed, look: Look, deadline: Deadline): Promise<Bound> {
  const { api } = parts;
  if ('handle' in named) {
    const all = await look('persistent volume', async () => api?.attachments.listVolumes(deadline));
    const name = all?.find(({ handle }) => handle === named.handle)?.name;
    const pv = name === undefined ? undefined : await look('persistent volume', () => volumeOf(parts, name, deadline));
    return pv === undefined ? { ...NOTHING, handle: named.handle } : withVolume(parts, pv, look, deadline);
  }
  const name = 'claim' in named ? named.claim : named.pv;
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding the volume of ${name}` });
  if ('pv' in named) {
    const pv = await volumeOf(parts, name, deadline);
    return pv === undefined ? { ...NOTHING, pvName: name } : withVolume(parts, pv, look, deadline);
  }
  const claim = await api.objects.claim(name, deadline);
  if (claim === undefined) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolumeClaim', name });
  if (claim.volume === '') {
    const unbound = await gatherUnbound(api.objects, claim, look, deadline);
    return { ...NOTHING, claimName: name, claim, unbound };
  }
  const pv = await volumeOf(parts, claim.volume, deadline);
  if (pv === undefined) return { ...NOTHING, claimName: name, claim, pvName: claim.volume };
  return { ...(await withVolume(parts, pv, look, deadline)), claimName: name, claim, isClaimGone: false };
}

/** BERTH_VOLUME_NOT_FOUND for another driver's. */
async function volumeOf(
  { api, driver }: TraceParts,
  name: string,
  deadline: Deadline,
): Promise<VolumeObject | undefined> {
  const pv = await api?.objects.volume(name, deadline);
  if (pv !== undefined && pv.driver !== driver)
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: `${name}, a PersistentVolume of another driver,` });
  return pv;
}

async function withVolume({ api }: TraceParts, pv: VolumeObject, look: Look, deadline: Deadline): Promise<Bound> {
  const { claim: claimName, handle } = pv;
  const found =
    claimName === undefined
      ? undefined
      : await look('claim', async () => (await api?.objects.claim(claimName, deadline)) ?? 'absent');
  const claim = found === 'absent' ? undefined : found;
  const pvEvents = api === undefined ? [] : await gatherVolumeEvents(api.objects, pv, look, deadline);
  return { ...NOTHING, claimName, claim, isClaimGone: found === 'absent', pvName: pv.name, pv, pvEvents, handle };
}

async function gather(
  parts: TraceParts,
  bound: Bound,
  look: Look,
  deadline: Deadline,
): Promise<Omit<VolumeFacts, 'unseen'>> {
  const { api, driver, nodeId, now } = parts;
  const { claimName, handle, pvName } = bound;
  const hasVolume = handle !== undefined || pvName !== undefined;
  const attachments = hasVolume ? await look('volume attachment', () => attachmentsOf(parts, bound, deadline)) : [];
  // One that is gone is worth a page only where something still names it.
  if (handle === undefined && claimName === undefined && attachments?.length === 0)
    throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolume', name: pvName ?? '' });
  const pods =
    api === undefined || claimName === undefined ? [] : await gatherPods(api.objects, claimName, look, deadline);
  const { image, facts } = await factsOfAll(parts, bound, attachments, deadline);
  const measure = { now: now().toISOString(), ageMs: 0, driver };
  const isRead = typeof image === 'object' && 'holders' in image;
  const described = handle !== undefined && isRead;
  return {
    ...bound,
    now: measure.now,
    driver,
    nodeId,
    attachments,
    facts,
    findings: facts.flatMap((one) => judge(one, measure) ?? []),
    image,
    description: described ? await look('snapshots', () => parts.images.describe(handle, deadline)) : undefined,
    here: handle === undefined ? undefined : await parts.here(handle),
    pods,
  };
}

async function attachmentsOf(
  { api }: TraceParts,
  { pvName, handle }: Bound,
  deadline: Deadline,
): Promise<readonly ApiAttachment[]> {
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'looking at VolumeAttachments' });
  const all = await api.attachments.list(deadline);
  const isInline = (one: ApiAttachment): boolean => handle !== undefined && one.inlineHandle === handle;
  return all.filter((one) => (pvName !== undefined && one.pv === pvName) || isInline(one));
}

/** Of each attachment, and of each node that the record names without one. */
async function factsOfAll(
  { api, images }: TraceParts,
  { handle, pv }: Bound,
  attachments: readonly ApiAttachment[] | undefined,
  deadline: Deadline,
): Promise<{ readonly image: Image | undefined; readonly facts: readonly AttachmentFacts[] }> {
  const facts: AttachmentFacts[] = [];
  for (const one of attachments ?? [])
    if (api !== undefined) facts.push(await factsOf(api.attachments, images, one, deadline));
  if (handle === undefined) return { image: undefined, facts };
  const known = facts.find((one) => one.volume === handle)?.image;
  const image =
    known ?? (await images.readHolders(handle, true, deadline).catch((error: unknown) => ({ error: toldOf(error) })));
  // Whether a holder lacks an attachment can only be said by who could see those.
  if (api === undefined || attachments === undefined) return { image, facts };
  const holders = typeof image === 'object' && 'holders' in image ? image.holders : [];
  const others = holders.filter(({ node }) => !facts.some((one) => one.nodeId === node));
  const found = others.map(({ node }) =>
    factsOfHolder(api.attachments, images, { volume: handle, nodeId: node }, deadline),
  );
  for (const one of await Promise.all(found)) facts.push({ ...one, pv: pv === undefined ? 'absent' : 'present' });
  return { image, facts };
}

/**
 * An API that is down, or an account that may not ask: what the others say is worth more than an error. One that gave
 * no answer is asked nothing else, for each question would take its whole time.
 */
function lookInto(unseen: Unseen[], isController: boolean): Look {
  let down: Error | undefined;
  return async (link, act) => {
    try {
      const asksApi = link !== 'snapshots';
      if (asksApi && down !== undefined) throw down;
      return await act();
    } catch (error) {
      if (isBerthError(error, 'BERTH_KUBE_UNREACHABLE', 'BERTH_DEADLINE') && link !== 'snapshots') down = error;
      const isByDesign = isBerthError(error, 'BERTH_KUBE_DENIED') && !isController;
      const why = toldOf(error);
      const isKnown = unseen.some((one) => one.link === link && one.why === why);
      if (!isKnown) unseen.push({ link, why, isFault: !isByDesign && !isBerthError(error, 'BERTH_KUBE_OFF') });
      return undefined;
    }
  };
}
