/** What a volume is called in Kubernetes: its claim and its PersistentVolume, whichever of its names was given. */
import type { VolumeObject } from '../../kube/storage-objects.js';
import type { Attachments } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { AttachmentApi } from '../attachment/gather-attachment.js';
import { gatherUnbound, gatherVolumeEvents, type Look, type ObjectsAsked } from './gather-claim.js';
import type { VolumeFacts } from './volume-facts.js';

/** What is asked of the API. */
export interface ApiAsked {
  readonly attachments: AttachmentApi & Pick<Attachments, 'list' | 'listVolumes'>;
  readonly objects: ObjectsAsked;
}

export interface BoundParts {
  /** Undefined without Kubernetes. */
  readonly api: ApiAsked | undefined;
  readonly driver: string;
}

/** A volume by one of its names. */
export type VolumeNamed =
  | { readonly claim: string }
  | { readonly pv: string }
  /** Of the volume itself. */
  | { readonly handle: string };

/** What names the volume, as far as the API knows it. */
export type Bound = Pick<
  VolumeFacts,
  'claimName' | 'claim' | 'isClaimGone' | 'unbound' | 'pvName' | 'pv' | 'pvEvents' | 'isPvUnseen' | 'handle'
>;

const NOTHING: Bound = {
  ...{ claimName: undefined, claim: undefined, isClaimGone: false, unbound: undefined },
  ...{ pvName: undefined, pv: undefined, pvEvents: [], isPvUnseen: false, handle: undefined },
};

/**
 * BERTH_KUBE_OFF for a name that only Kubernetes knows, BERTH_KUBE_NOT_FOUND, BERTH_VOLUME_NOT_FOUND for a volume of
 * another driver. For a handle what cannot be read is told to `look`.
 */
export async function findBound(parts: BoundParts, named: VolumeNamed, look: Look, deadline: Deadline): Promise<Bound> {
  const { api } = parts;
  if ('handle' in named) return boundOfHandle(parts, named.handle, look, deadline);
  const name = 'claim' in named ? named.claim : named.pv;
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding the volume of ${name}` });
  if ('pv' in named) {
    const pv = await volumeOf(parts, name, deadline);
    return pv === undefined ? { ...NOTHING, pvName: name } : withVolume(parts, pv, look, deadline);
  }
  const claim = await api.objects.claim(name, deadline);
  if (claim === undefined) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolumeClaim', name });
  // It may name a PersistentVolume itself, and wait for that one.
  const isWaiting = claim.volume === '' || claim.phase === 'Pending';
  const unbound = isWaiting ? await gatherUnbound(api.objects, claim, look, deadline) : undefined;
  const own = { claimName: name, claim, unbound, isClaimGone: false };
  if (claim.volume === '') return { ...NOTHING, ...own };
  const pv = await volumeOf(parts, claim.volume, deadline);
  return {
    ...(pv === undefined ? NOTHING : await withVolume(parts, pv, look, deadline)),
    ...own,
    pvName: claim.volume,
  };
}

async function boundOfHandle(parts: BoundParts, handle: string, look: Look, deadline: Deadline): Promise<Bound> {
  const { api } = parts;
  const all = await look('persistent volume', async () => {
    if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'looking for the PersistentVolume' });
    return api.attachments.listVolumes(deadline);
  });
  if (all === undefined) return { ...NOTHING, handle, isPvUnseen: true };
  const listed = all.find((one) => one.handle === handle);
  if (listed === undefined) return { ...NOTHING, handle };
  const { name, claim: claimName } = listed;
  const pv = await look('persistent volume', async () => (await volumeOf(parts, name, deadline)) ?? 'absent');
  // What its attachments and its pods are found by is known from the list.
  if (pv === undefined) return { ...NOTHING, handle, pvName: name, claimName };
  return pv === 'absent' ? { ...NOTHING, handle } : withVolume(parts, pv, look, deadline);
}

/** BERTH_VOLUME_NOT_FOUND for another driver's. */
async function volumeOf(
  { api, driver }: BoundParts,
  name: string,
  deadline: Deadline,
): Promise<VolumeObject | undefined> {
  const pv = await api?.objects.volume(name, deadline);
  if (pv !== undefined && pv.driver !== driver)
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: `${name}, a PersistentVolume of another driver,` });
  return pv;
}

async function withVolume({ api }: BoundParts, pv: VolumeObject, look: Look, deadline: Deadline): Promise<Bound> {
  const { claim: claimName, handle } = pv;
  const found =
    claimName === undefined
      ? undefined
      : await look('claim', async () => (await api?.objects.claim(claimName, deadline)) ?? 'absent');
  const claim = found === 'absent' ? undefined : found;
  const own = { claimName, claim, isClaimGone: found === 'absent', pvName: pv.name, pv, handle };
  if (api === undefined) return { ...NOTHING, ...own };
  const pvEvents = await gatherVolumeEvents(api.objects, pv, look, deadline);
  const isWaiting = claim?.phase === 'Pending' && claim.volume === pv.name;
  const unbound = isWaiting ? await gatherUnbound(api.objects, claim, look, deadline) : undefined;
  return { ...NOTHING, ...own, pvEvents, unbound };
}
