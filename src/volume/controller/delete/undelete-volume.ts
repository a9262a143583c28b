/** Which deleted volumes are still there, and how one comes back: under its old name or another, or not at all. */
import { isClaim } from '../../../attachment/holder-record.js';
import { exchangeRecord } from '../../../attachment/exchange/exchange-record.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import { formatVolumeId, imageSpec, isPlaceName, parseVolumeId } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { locate } from '../../image/find-volume.js';
import { isDeletedName } from '../../image/image-name.js';
import { parseProvenance } from '../../image/provenance.js';
import { formatVolumeRecord, parseVolumeRecord, VOLUME_KEY } from '../../image/volume-record.js';
import { parseDeleted, type DeletedRecord } from './deleted-record.js';
import { listDeleted } from './list-deleted.js';
import { exchangeDeleted } from './mark-deleted.js';

/** Of each place as many are shown. */
const MOST = 100_000;

export interface UndeleteParts {
  readonly clusters: Pick<Clusters, 'all' | 'image' | 'pool' | 'pools'>;
  readonly rbd: Pick<
    RbdPort,
    'list' | 'interruptedRemovals' | 'head' | 'headById' | 'compareAndSet' | 'setMetadata' | 'rename'
  >;
}

export interface DeletedVolume {
  readonly at: ImageRef;
  /** Ceph's id of the image: two deleted volumes may have had one handle. */
  readonly id: string;
  readonly sizeBytes: bigint;
  readonly record: DeletedRecord;
}

export interface UndeleteRequest {
  /** The handle that it had. */
  readonly volume: string;
  /** Of the image, where several had that handle. */
  readonly id: string | undefined;
  /** The image's new name; undefined for the old one. */
  readonly as: string | undefined;
}

export interface RestoredVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
  /** Undefined for a raw device, and for one that no filesystem was made on yet. */
  readonly fsType: FilesystemType | undefined;
  readonly isRaw: boolean;
}

/** Every one that a controller's user can see, those whose data is going as well: one OSD operation for each. */
export async function listDeletedVolumes(
  { clusters, rbd }: UndeleteParts,
  deadline: Deadline,
): Promise<readonly DeletedVolume[]> {
  const found: DeletedVolume[] = [];
  for (const place of await clusters.pools('controller')) {
    for (const { name, id } of await listDeleted(rbd, place, MOST, deadline)) {
      const head = await rbd.headById(place, id, deadline);
      const record = head === undefined ? undefined : parseDeleted(head, name);
      if (head === undefined || record === undefined) continue;
      found.push({ at: { ...place, image: name }, id, sizeBytes: head.sizeBytes, record });
    }
  }
  return found;
}

/**
 * Brings a volume back. From the first write on no purge begins, and a call that was cut short may be repeated.
 * BERTH_VOLUME_NOT_FOUND, BERTH_UNDELETE_REFUSED where its data is going already, several could be meant, or the name
 * is taken; BERTH_FIELD_INVALID.
 */
export async function undeleteVolume(
  parts: UndeleteParts,
  request: UndeleteRequest,
  deadline: Deadline,
): Promise<RestoredVolume> {
  const { rbd } = parts;
  const { volume } = request;
  const target = targetOf(request);
  const found = await findDeleted(parts, request, target, deadline);
  const to = { ...found.at, image: parseVolumeId(target)?.image ?? '' };
  const other = await rbd.head(to, deadline);
  if (other !== undefined && other.id !== found.id) {
    const why = `the name ${imageSpec(to)} is another image's: give another one by --as`;
    throw berthError('BERTH_UNDELETE_REFUSED', { volume, why });
  }
  let head = await mustHead(rbd, found, deadline);
  await keepFromPurge(rbd, found, head, deadline);
  head = await mustHead(rbd, found, deadline);
  await nameAnew(rbd, found, head, target, deadline);
  await dropClaim(rbd, found, head, target, deadline);
  if (!(await rbd.rename(found.at, found.id, to.image, deadline)))
    throw berthError('BERTH_UNDELETE_REFUSED', { volume, why: 'its image was renamed or removed meanwhile' });
  head = await mustHead(rbd, found, deadline);
  await exchangeDeleted(rbd, to, head, target, () => undefined, deadline);
  const provenance = parseProvenance(head, target);
  const isMade = provenance.state === 'formatted' || provenance.state === 'formatting';
  const fsType = isMade ? provenance.type : parseVolumeRecord(head.metadata, target)?.shape.fsType;
  return { volume: target, sizeBytes: head.sizeBytes, fsType, isRaw: provenance.state === 'raw' };
}

/** BERTH_FIELD_INVALID */
function targetOf({ volume, as }: UndeleteRequest): string {
  const id = parseVolumeId(volume);
  if (id === undefined) throw berthError('BERTH_FIELD_INVALID', { field: '--volume', why: `${volume} is no handle` });
  if (as === undefined) return volume;
  if (!isPlaceName(as) || isDeletedName(as))
    throw berthError('BERTH_FIELD_INVALID', { field: '--as', why: `${as} is not a name that Berth can use` });
  return formatVolumeId({ ...id, image: as });
}

/** The one that is meant: among the deleted ones, or under the name to which an earlier call has brought it already. */
async function findDeleted(
  parts: UndeleteParts,
  { volume, id }: UndeleteRequest,
  target: string,
  deadline: Deadline,
): Promise<Pick<DeletedVolume, 'at' | 'id' | 'record'>> {
  const all = await listDeletedVolumes(parts, deadline);
  const meant = all.filter((one) => one.record.volume === volume && (id === undefined || one.id === id));
  const [first, second] = meant;
  if (second !== undefined) {
    const ids = meant.map((one) => `${one.id} (deleted ${one.record.at})`).join(', ');
    throw berthError('BERTH_UNDELETE_REFUSED', { volume, why: `several had this handle, say which by --id: ${ids}` });
  }
  if (first !== undefined) return first;
  const place = await locate(parts.clusters, target, 'controller', undefined);
  const head = place === undefined ? undefined : await parts.rbd.head(place.at, deadline);
  const record = head === undefined ? undefined : parseDeleted(head, target);
  if (place === undefined || head === undefined || record?.restoring !== true)
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  return { at: place.at, id: head.id, record };
}

async function mustHead(
  rbd: UndeleteParts['rbd'],
  { at, id, record }: Pick<DeletedVolume, 'at' | 'id' | 'record'>,
  deadline: Deadline,
): Promise<ImageHead> {
  const head = await rbd.headById(at, id, deadline);
  if (head === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: record.volume });
  return head;
}

/** BERTH_UNDELETE_REFUSED where a purge has begun: what is left is not the volume any more. */
async function keepFromPurge(
  rbd: UndeleteParts['rbd'],
  { at, record: { volume } }: Pick<DeletedVolume, 'at' | 'record'>,
  head: ImageHead,
  deadline: Deadline,
): Promise<void> {
  const decide = (present: DeletedRecord | undefined): DeletedRecord | 'keep' => {
    if (present === undefined || present.restoring === true) return 'keep';
    if (present.purge !== undefined)
      throw berthError('BERTH_UNDELETE_REFUSED', { volume, why: 'its data is being removed already' });
    return { ...present, restoring: true };
  };
  await exchangeDeleted(rbd, at, head, volume, decide, deadline);
}

/** Its record names it as it is called from now on; else it would be taken for a copy's. */
async function nameAnew(
  rbd: UndeleteParts['rbd'],
  { at, id, record }: Pick<DeletedVolume, 'at' | 'id' | 'record'>,
  { metadata }: ImageHead,
  target: string,
  deadline: Deadline,
): Promise<void> {
  const own = parseVolumeRecord(metadata, record.volume);
  const image = parseVolumeId(target);
  if (target === record.volume || own === undefined || image === undefined) return;
  const text = formatVolumeRecord({ ...own, image: imageSpec(image) });
  await rbd.setMetadata(at, id, new Map([[VOLUME_KEY, text]]), deadline);
}

const dropClaim = (
  rbd: UndeleteParts['rbd'],
  { at }: Pick<DeletedVolume, 'at'>,
  head: ImageHead,
  volume: string,
  deadline: Deadline,
): Promise<unknown> =>
  exchangeRecord(rbd, { at, head, volume }, (present) => (isClaim(present) ? undefined : 'keep'), deadline);

/** For the person who looks: what keeps it, or what takes it. */
export function stateOf({ keepUntil, purge, restoring }: DeletedRecord, now: Date): string {
  if (restoring === true) return 'is coming back: repeat the call that brings it';
  if (purge !== undefined) return 'its data is being removed';
  if (keepUntil !== undefined && Date.parse(keepUntil) > now.getTime()) return `kept until ${keepUntil}`;
  return 'goes when nothing needs it any more';
}
