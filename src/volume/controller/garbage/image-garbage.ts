/** What one image of a place, or one entry of Ceph's trash, leaves unexplained: one OSD operation where all is well. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { ImageRef, PoolRef, RbdPort } from '../../../rbd/port.js';
import type { NamedImage } from '../../../rbd/port/delete-port.js';
import type { ImageSnapshots } from '../../../rbd/port/snapshot-port.js';
import { isDeletedName, looksLikeOurs } from '../../image/image-name.js';
import { UNDER_WAY_MS, type InterruptedCreates } from '../create/interrupted-create.js';
import { parseDeleted } from '../delete/deleted-record.js';
import { volumeOf } from '../snapshot/find-snapshot.js';
import { judgeCopy, type CopyGarbageParts } from './copy-garbage.js';
import { isOld, unlessUnreadable, whereIs, type Garbage } from './garbage.js';
import type { Knowledge } from './knowledge.js';
import { judgeToldSnapshot } from './snapshot-without-content.js';
import { judgeSnapshot, type SnapshotGarbageParts } from './snapshot-garbage.js';
import { judgeVolume, type VolumeGarbageParts } from './volume-garbage.js';

export interface ImageGarbageParts extends VolumeGarbageParts, CopyGarbageParts, SnapshotGarbageParts {
  readonly clusters: VolumeGarbageParts['clusters'] & SnapshotGarbageParts['clusters'];
  readonly rbd: VolumeGarbageParts['rbd'] &
    CopyGarbageParts['rbd'] &
    SnapshotGarbageParts['rbd'] &
    Pick<RbdPort, 'snapshotsById' | 'interruptedCreate' | 'watchers'>;
  readonly interruptedCreates: Pick<InterruptedCreates, 'clear'>;
}

/** Errors of Ceph for an image that cannot be read. */
export async function judgeImage(
  parts: ImageGarbageParts,
  place: PoolRef,
  { name, id }: NamedImage,
  known: Knowledge,
  deadline: Deadline,
): Promise<readonly Garbage[]> {
  const at = { ...place, image: name };
  const found = await parts.rbd.snapshotsById(place, id, deadline);
  if (found === undefined) return judgeHeaderless(parts, place, { name, id }, deadline);
  const { head, snapshots } = found;
  const all: (Garbage | undefined)[] = [];
  for (const snapshot of snapshots) {
    const cut = { at, head, snapshot };
    all.push(await judgeSnapshot(parts, cut, deadline), await judgeToldSnapshot(parts, cut, known, deadline));
  }
  const volume = volumeOf(place, name, head);
  if (isDeletedName(name)) all.push(judgeDeleted(parts, found, at));
  else if (volume !== undefined) {
    const image = { at, volume, head, snapshots };
    all.push(await judgeVolume(parts, image, known.volumes, deadline));
    all.push(await judgeCopy(parts, image, known.volumes, deadline));
  }
  return all.filter((one) => one !== undefined);
}

/** One that its record explains is the purge's concern, which has metrics of its own. */
function judgeDeleted({ now }: ImageGarbageParts, { head }: ImageSnapshots, at: ImageRef): Garbage | undefined {
  const mark = unlessUnreadable(() => parseDeleted(head, at.image));
  if (mark === 'unreadable' || (mark !== undefined && (mark.restoring !== true || !isOld(mark.at, now()))))
    return undefined;
  const says =
    mark === undefined
      ? 'named as a deleted volume, while nothing in it says that it is one: renamed by hand, or a copy'
      : `volume ${mark.volume}, which was being brought back, and that was cut short`;
  const keptBecause =
    mark === undefined ? 'it is somebody’s' : `\`berth undelete --volume ${mark.volume}\` goes on with it`;
  const since = mark?.at;
  return { kind: 'unmarked', cluster: at.access.cluster, where: whereIs(at), says, since, end: { keptBecause } };
}

/** Between name and header: while it is being made, it looks the same for a moment. */
async function judgeHeaderless(
  { rbd, interruptedCreates }: ImageGarbageParts,
  place: PoolRef,
  { name, id }: NamedImage,
  deadline: Deadline,
): Promise<readonly Garbage[]> {
  const at = { ...place, image: name };
  if (!looksLikeOurs(name) || (await rbd.interruptedCreate(at, deadline)) !== id) return [];
  const remove = async (_known: unknown, deadline: Deadline): Promise<boolean> => {
    for (;;) {
      try {
        await interruptedCreates.clear(at, deadline);
        return true;
      } catch (error) {
        if (!isBerthError(error, 'BERTH_IMAGE_UNFINISHED')) throw error;
        if (deadline.remaining() < UNDER_WAY_MS / 10)
          throw berthError('BERTH_IMAGE_UNFINISHED', { image: name, age: 0 }, error);
        await new Promise((resolve) => setTimeout(resolve, UNDER_WAY_MS / 20));
      }
    }
  };
  const says = 'a name without an image: its create was cut short, or is under way just now';
  const { cluster } = place.access;
  return [{ kind: 'unfinished-create', cluster, where: whereIs(at), says, since: undefined, end: { remove } }];
}

/** What librbd has in its trash of a removal: by a release before this one, or by hand. */
export function judgeTrash(
  { longWork }: Pick<ImageGarbageParts, 'longWork'>,
  place: PoolRef,
  { name }: NamedImage,
): Garbage | undefined {
  if (isDeletedName(name) || !looksLikeOurs(name)) return undefined;
  const at = { ...place, image: name };
  const says = 'in Ceph’s trash, where its removal was cut short, or is under way just now';
  const remove = (_known: unknown, deadline: Deadline): Promise<boolean> =>
    longWork.finishInterruptedRemoval(at, deadline);
  const { cluster } = place.access;
  return { kind: 'unfinished-removal', cluster, where: whereIs(at), says, since: undefined, end: { remove } };
}
