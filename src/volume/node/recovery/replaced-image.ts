/**
 * What a stage finds of another image than the one that it is to bring: the one that had the name before, or the same
 * one under the name that it had before.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isSameNode, type NodeIdentity } from '../../../attachment/node-identity.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { FoundVolume } from '../../image/find-volume.js';
import type { NodeOperation } from '../../operation/operations.js';
import { unmountAndUnmap, type UnmapParts } from '../map-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import { refuseReplaced } from './entry-image.js';

/**
 * The image may be staged here under the name that it had before it was renamed: a second mapping would be a second
 * filesystem on the same blocks. The whole journal is read only where the record says that the image is staged here.
 * BERTH_VOLUME_IN_USE names that volume.
 */
export async function refuseUnderOtherName(
  { journal, self }: { readonly journal: Pick<Journal, 'all'>; readonly self: NodeIdentity },
  { head, volume }: Pick<FoundVolume, 'head' | 'volume'>,
): Promise<void> {
  const mine = readHolderRecord(head, volume)?.holders.find((one) => isSameNode(one, self));
  if (mine?.state !== 'staging' && mine?.state !== 'staged') return;
  const { entries } = await journal.all();
  const other = entries.find(({ fsid, imageId }) => fsid === head.fsid && imageId === head.id);
  if (other === undefined) return;
  throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `this node, which has the same image as ${other.volume}` });
}

/**
 * What an earlier stage mapped is another image than the volume's name leads to now: it goes before the stage, and its
 * holder record is given back. BERTH_IMAGE_REPLACED while pods are on it, BERTH_UNMOUNT_BUSY, BERTH_UNMAP_BUSY, errors
 * of Ceph.
 */
export async function leaveReplaced(
  parts: UnmapParts & { readonly holderRecords: Pick<NodeHolderRecords, 'release'> },
  entry: JournalEntry,
  { at, head, volume }: FoundVolume,
  { step }: Pick<NodeOperation<'stage'>, 'step'>,
  deadline: Deadline,
): Promise<void> {
  const { imageId, targets } = entry;
  const mounts = await Promise.all(Object.keys(targets).map((target) => mountAt(target)));
  if (mounts.some((mount) => mount !== undefined)) refuseReplaced(entry, head);
  await unmountAndUnmap(parts, entry, { step, unmount: 'unmount leftover', unmap: 'unmap leftover' }, deadline);
  await parts.holderRecords.release({ at, volume, imageId }, deadline);
}
