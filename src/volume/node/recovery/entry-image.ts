/**
 * The image that an entry of the journal is about. It is known by its id, for its name may lead to another one by now:
 * a copy was moved to it, or the image was renamed.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { isSameNode, type NodeIdentity } from '../../../attachment/node-identity.js';
import { mountAt } from '../../../host/mount/mountinfo.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { locate, type Credentials, type FoundVolume, type ImageLookup } from '../../image/find-volume.js';
import type { NodeOperation } from '../../operation/operations.js';
import { unmountAndUnmap, type UnmapParts } from '../map-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';

/** Of an entry, what says which image it means; entries of an earlier release do not. */
type Meant = Pick<JournalEntry, 'volume' | 'imageId'>;

/** Is this another image than the one that the entry is about? */
export const isOtherImage = ({ imageId }: Pick<Meant, 'imageId'>, { id }: Pick<ImageHead, 'id'>): boolean =>
  imageId !== undefined && imageId !== id;

/** What is mapped here is not to be changed by what the name leads to now. BERTH_IMAGE_REPLACED. */
export function refuseReplaced(entry: Meant, head: Pick<ImageHead, 'id'>): void {
  const { volume, imageId = '' } = entry;
  if (isOtherImage(entry, head)) throw berthError('BERTH_IMAGE_REPLACED', { volume, mapped: imageId, named: head.id });
}

export interface EntryImage {
  readonly at: ImageRef;
  readonly head: ImageHead;
  /** The volume's name leads to another image now, or to none. */
  readonly isReplaced: boolean;
}

/** Two OSD operations, one more where it was replaced; undefined where there is no such image, whatever its name. */
export async function imageOfEntry(
  { clusters, rbd }: ImageLookup & { readonly rbd: Pick<RbdPort, 'head' | 'headById'> },
  { volume, imageId }: Meant,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<EntryImage | undefined> {
  const place = await locate(clusters, volume, 'node', secrets);
  if (place === undefined) return undefined;
  const { at } = place;
  const named = await rbd.head(at, deadline);
  if (imageId === undefined || named?.id === imageId) return named && { at, head: named, isReplaced: false };
  const head = await rbd.headById(at, imageId, deadline);
  return head && { at, head, isReplaced: true };
}

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
