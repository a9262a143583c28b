/**
 * The image that an entry of the journal is about. It is known by its id, for its name may lead to another one by now:
 * a copy was moved to it, or the image was renamed.
 */
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { locate, type Credentials, type ImageLookup } from '../../image/find-volume.js';

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
