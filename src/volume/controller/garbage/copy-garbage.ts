/**
 * Images that stand on a snapshot and have no record of their own: copies that were never finished. Such an image goes
 * only where nothing can be lost by it: it has no data of its own, and all that it shows is in a snapshot that stands.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import type { Deadline } from '../../../model/deadline.js';
import { subjectOf } from '../../../model/volume-id.js';
import type { CloneParent } from '../../../rbd/port/clone-port.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { isMadeName, looksLikeOurs } from '../../image/image-name.js';
import { formatVolumeRecord, parseVolumeRecord, VOLUME_KEY, type VolumeRecord } from '../../image/volume-record.js';
import { copyOfCut } from '../create/copy/copy-records.js';
import { deleteVolume, type DeleteParts } from '../delete/delete-volume.js';
import { DELETED_KEY, formatDeleted } from '../delete/deleted-record.js';
import { isOurSnapshot } from '../snapshot/snapshot-name.js';
import { isOld, mustKnow, unlessGone, unlessUnreadable, whereIs, type Garbage } from './garbage.js';
import type { KnownVolumes } from './known-volumes.js';

export interface CopyGarbageParts extends DeleteParts {
  readonly rbd: DeleteParts['rbd'] &
    Pick<RbdPort, 'headById' | 'parentById' | 'snapshotById' | 'isUnwritten' | 'changeMetadata'>;
}

/** An image without a record of its own. */
export interface SeenCopy {
  readonly at: ImageRef;
  /** The handle that it would have. */
  readonly volume: string;
  readonly head: ImageHead;
}

/** What is lost with it, or whose it may be; `young` where it may be under way. */
type Doubt = 'young' | { readonly why: string } | undefined;

/** A full copy by `rbd cp` stands on nothing, and is somebody's. Six OSD operations at most, none for most images. */
export async function judgeCopy(
  parts: CopyGarbageParts,
  copy: SeenCopy,
  known: KnownVolumes | undefined,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { at, volume, head } = copy;
  if (!head.metadata.has(VOLUME_KEY) || !looksLikeOurs(at.image)) return undefined;
  if (unlessUnreadable(() => parseVolumeRecord(head.metadata, volume, head)) !== undefined) return undefined;
  if (known?.hasVolume(volume, at.image) === true) return undefined;
  const parent = await parts.rbd.parentById(at, head.id, deadline);
  if (parent === undefined) return undefined;
  const doubt = await doubtOf(parts, copy, parent, deadline);
  if (doubt === 'young') return undefined;
  return {
    kind: 'unfinished-copy',
    cluster: at.access.cluster,
    where: whereIs(at),
    says: 'an image without a record of its own, which stands on a snapshot: a copy that was never finished',
    since: undefined,
    end: doubt === undefined ? { remove: removal(parts, copy) } : { keptBecause: doubt.why },
  };
}

/** Undefined where it can only be what a CreateVolume of ours left, and nothing would be lost. */
async function doubtOf(
  { rbd, now }: CopyGarbageParts,
  { at, volume, head }: SeenCopy,
  parent: CloneParent,
  deadline: Deadline,
): Promise<Doubt> {
  const { pool, namespace, imageId, snapshotId, isLinked, createdAt } = parent;
  // Its own age: a create of today may stand on a snapshot of last year.
  if (!isOld(createdAt, now())) return 'young';
  if (!isMadeName(at.image)) return { why: 'it may be a clone that somebody made by hand; `rbd rm` removes it' };
  const found = await rbd.snapshotById({ access: at.access, pool, namespace }, imageId, snapshotId, deadline);
  if (!isLinked || found === undefined) return { why: 'its snapshot does not know of it; `rbd rm` removes it' };
  const { snapshot } = found;
  const isOurs = isOurSnapshot(snapshot) || (snapshot.kind === 'user' && copyOfCut(snapshot.name) === at.image);
  if (!isOurs) return { why: 'what it stands on may be nowhere else any more; `rbd rm` removes it' };
  const holders = unlessUnreadable(() => readHolderRecord(head, volume));
  if (holders !== undefined) return { why: 'a node has it' };
  if (head.locks.length > 0) return { why: 'somebody has locked it' };
  const { watchers } = await rbd.usersOf(at, head.id, deadline);
  if (watchers.length > 0) return { why: 'somebody has it open' };
  const isUnwritten = await unlessGone(rbd.isUnwritten(at, deadline));
  return isUnwritten === true ? undefined : { why: 'it has data or snapshots of its own' };
}

/**
 * As DeleteVolume removes a volume, for a retry of the create may be at it: first the claim, which lets no create go on
 * and nobody in; then a record of its own with the mark of a deleted volume, in one change that fails where a create
 * has written the record meanwhile. From then on it is a delete that was cut short, wherever that ends.
 */
const removal =
  (parts: CopyGarbageParts, seen: SeenCopy) =>
  async (known: KnownVolumes | undefined, deadline: Deadline): Promise<boolean> => {
    const { rbd, deleteClaims } = parts;
    const { at, volume } = seen;
    const sure = mustKnow(known);
    const head = await rbd.headById(at, seen.head.id, deadline);
    if (head === undefined || sure.hasVolume(volume, at.image)) return false;
    if (unlessUnreadable(() => parseVolumeRecord(head.metadata, volume, head)) !== undefined) return false;
    const copy = { at, volume, head };
    const parent = await rbd.parentById(at, head.id, deadline);
    if (parent === undefined || (await doubtOf(parts, copy, parent, deadline)) !== undefined) return false;
    const { instance } = await rbd.identify(at.access, deadline);
    const claimed = await deleteClaims.claim(copy, instance, deadline);
    if (!(await markAbandoned(parts, copy, sure.installation, deadline))) {
      if (claimed.isNew) await deleteClaims.giveBack({ ...copy, head: claimed.head }, instance, deadline);
      return false;
    }
    await deleteVolume(parts, volume, undefined, deadline);
    return true;
  };

async function markAbandoned(
  { rbd, now }: CopyGarbageParts,
  { at, volume, head }: SeenCopy,
  installation: string,
  deadline: Deadline,
): Promise<boolean> {
  const time = now().toISOString();
  const record: VolumeRecord = {
    version: 1,
    ...subjectOf(volume, head),
    name: at.image,
    created: time,
    shape: { features: head.features, mounter: 'auto', mapOptions: '', mkfsOptions: '' },
    installation: installation === '' ? undefined : installation,
  };
  const set = new Map([
    [VOLUME_KEY, formatVolumeRecord(record)],
    [DELETED_KEY, formatDeleted({ version: 1, at: time, volume }, head)],
  ]);
  const unless = { key: VOLUME_KEY, differsFrom: head.metadata.get(VOLUME_KEY) };
  return (await unlessGone(rbd.changeMetadata(at, head.id, { unless, set, remove: [] }, deadline))) === true;
}
