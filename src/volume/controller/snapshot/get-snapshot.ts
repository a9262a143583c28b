/** GetSnapshot: one snapshot by its handle, in two reads. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { Credentials } from '../../image/find-volume.js';
import {
  deletedVolume,
  findSnapshot,
  seenSnapshot,
  volumeOf,
  type FoundSnapshot,
  type SeenSnapshot,
  type SnapshotLookup,
} from './find-snapshot.js';

export interface GetSnapshotParts extends SnapshotLookup {
  readonly rbd: SnapshotLookup['rbd'] & Pick<RbdPort, 'nameById'>;
}

/** BERTH_SNAPSHOT_NOT_FOUND. */
export async function getSnapshot(
  parts: GetSnapshotParts,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<SeenSnapshot> {
  const seen = await lookAtSnapshot(parts, handle, secrets, deadline);
  if (seen === undefined) throw berthError('BERTH_SNAPSHOT_NOT_FOUND', { snapshot: handle });
  return seen;
}

/** Two OSD operations, one for a deleted volume's; undefined where there is no such snapshot of ours. */
export async function lookAtSnapshot(
  parts: GetSnapshotParts,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<SeenSnapshot | undefined> {
  const found = await findSnapshot(parts, handle, secrets, deadline);
  if (found === undefined) return undefined;
  const { at, id, head, snapshot } = found;
  const volume = deletedVolume(head, id.imageId) ?? (await presentVolume(parts, found, deadline));
  return volume === undefined ? undefined : seenSnapshot(at, id.imageId, snapshot, volume);
}

async function presentVolume(
  { rbd }: GetSnapshotParts,
  { at, id, head }: FoundSnapshot,
  deadline: Deadline,
): Promise<string | undefined> {
  const name = await rbd.nameById(at, id.imageId, deadline);
  return name === undefined ? undefined : volumeOf(at, name, head);
}
