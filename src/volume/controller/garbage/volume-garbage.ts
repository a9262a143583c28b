/**
 * Images without a PersistentVolume: what a provisioner left that died between create and PersistentVolume, and deletes
 * that nobody repeats. Only an image that was never written to goes: whoever keeps data without an object in the API
 * has his reasons.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import type { Deadline } from '../../../model/deadline.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import type { Snapshot } from '../../../rbd/port/snapshot-port.js';
import { parseVolumeRecord, type VolumeRecord } from '../../image/volume-record.js';
import { deleteVolume, type DeleteParts } from '../delete/delete-volume.js';
import { parseDeleted } from '../delete/deleted-record.js';
import { isOld, mustKnow, unlessGone, unlessUnreadable, whereIs, type Garbage, type GarbageEnd } from './garbage.js';
import { claimOf, isClaimed, type KnownVolumes } from './known-volumes.js';

export interface VolumeGarbageParts extends DeleteParts {
  readonly rbd: DeleteParts['rbd'] & Pick<RbdPort, 'isEmpty'>;
}

/** An image that is nobody's by its name alone. */
export interface SeenImage {
  readonly at: ImageRef;
  /** Its handle. */
  readonly volume: string;
  readonly head: ImageHead;
  readonly snapshots: readonly Snapshot[];
}

/**
 * One OSD operation or two where there is something to tell, else none.
 * @param known undefined where nobody can say what has a PersistentVolume
 */
export async function judgeVolume(
  parts: VolumeGarbageParts,
  image: SeenImage,
  known: KnownVolumes | undefined,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { volume, head } = image;
  const record = unlessUnreadable(() => parseVolumeRecord(head.metadata, volume, head));
  if (record === 'unreadable' || record === undefined) return undefined;
  if (known === undefined || isExplained(known, volume, record)) return undefined;
  const mark = unlessUnreadable(() => parseDeleted(head, volume));
  if (mark === 'unreadable' || mark?.restoring === true) return undefined;
  if (mark !== undefined) return isOld(mark.at, parts.now()) ? unfinishedDelete(parts, image, mark.at) : undefined;
  if (!isOld(record.created, parts.now())) return undefined;
  const claim = claimOf(head.metadata);
  if (claim !== undefined && (await isClaimed(known, claim, record, deadline))) return undefined;
  return {
    kind: 'volume',
    cluster: image.at.access.cluster,
    where: whereIs(image.at),
    says: `volume ${volume}, made for ${describeClaim(claim)}, has no PersistentVolume`,
    since: record.created,
    end: await endOf(parts, image, record, known, deadline),
  };
}

const describeClaim = (claim: { namespace: string; name: string } | undefined): string =>
  claim === undefined ? 'a claim that it does not name' : `claim ${claim.namespace}/${claim.name}`;

/** Another installation's volume has its PersistentVolume there. */
const isExplained = (known: KnownVolumes, volume: string, { name, installation }: VolumeRecord): boolean =>
  known.hasVolume(volume, name) || (installation !== undefined && installation !== known.installation);

async function endOf(
  parts: VolumeGarbageParts,
  image: SeenImage,
  record: VolumeRecord,
  known: KnownVolumes,
  deadline: Deadline,
): Promise<GarbageEnd> {
  const doubt = whyDoubtful(image, record, known);
  if (doubt !== undefined) return { keptBecause: doubt, isDoubtful: true };
  const why = await whyKept(parts, image, record, known, deadline);
  if (why !== undefined) return { keptBecause: why };
  const remove = async (then: KnownVolumes | undefined, deadline: Deadline): Promise<boolean> => {
    const sure = mustKnow(then);
    const head = await parts.rbd.headById(image.at, image.head.id, deadline);
    const now = head && unlessUnreadable(() => parseVolumeRecord(head.metadata, image.volume, head));
    if (head === undefined || now === undefined || now === 'unreadable') return false;
    if (isExplained(sure, image.volume, now) || whyDoubtful({ head }, now, sure) !== undefined) return false;
    if ((await whyKept(parts, { ...image, head }, now, sure, deadline)) !== undefined) return false;
    await deleteVolume(parts, image.volume, undefined, deadline);
    return true;
  };
  return { remove };
}

/** Undefined where it is sure that it is this installation's, and for which claim it was made. */
function whyDoubtful({ head }: Pick<SeenImage, 'head'>, record: VolumeRecord, known: KnownVolumes): string | undefined {
  if (record.installation === undefined || known.installation === '')
    return 'nobody can say whether it is of this Kubernetes: its record, or this driver, names no installation';
  if (claimOf(head.metadata) === undefined)
    return 'nobody can say for which claim it was made (csi-provisioner --extra-create-metadata)';
  return undefined;
}

/** Undefined where its claim has gone, nobody uses it, and it is empty. */
async function whyKept(
  { rbd }: VolumeGarbageParts,
  { at, volume, head, snapshots }: SeenImage,
  record: VolumeRecord,
  known: KnownVolumes,
  deadline: Deadline,
): Promise<string | undefined> {
  const claim = claimOf(head.metadata);
  if (claim === undefined || (await isClaimed(known, claim, record, deadline))) return 'its claim is there';
  const holders = unlessUnreadable(() => readHolderRecord(head, volume));
  if (holders !== undefined) return 'a node has it';
  if (snapshots.length > 0) return 'it has snapshots';
  if (head.locks.length > 0) return 'somebody has locked it';
  if (record.source !== undefined) return `it is a copy of ${record.source.id}`;
  const isEmpty = await unlessGone(rbd.isEmpty(at, deadline));
  return isEmpty === true ? undefined : 'it holds data: `berth adopt` prints a PersistentVolume for it';
}

/** DeleteVolume came so far that the volume was marked, and only has to be repeated. */
function unfinishedDelete(parts: VolumeGarbageParts, { at, volume, head }: SeenImage, since: string): Garbage {
  const remove = async (then: KnownVolumes | undefined, deadline: Deadline): Promise<boolean> => {
    const now = await parts.rbd.headById(at, head.id, deadline);
    const mark = now && unlessUnreadable(() => parseDeleted(now, volume));
    const record = now && unlessUnreadable(() => parseVolumeRecord(now.metadata, volume, now));
    if (typeof mark !== 'object' || mark.restoring === true || typeof record !== 'object') return false;
    if (isExplained(mustKnow(then), volume, record)) return false;
    await deleteVolume(parts, volume, undefined, deadline);
    return true;
  };
  const says = `volume ${volume} is marked as deleted, and its delete was cut short and never repeated`;
  const { cluster } = at.access;
  return { kind: 'unfinished-delete', cluster, where: whereIs(at), says, since, end: { remove } };
}
