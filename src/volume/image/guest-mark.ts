/** What the image remembers of guests: that the kernel of a virtual machine may have written its filesystem. */
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { RbdPort } from '../../rbd/port.js';
import { mustFindVolume, type Credentials, type ImageLookup } from './find-volume.js';

/**
 * Readable with `rbd image-meta get <image> berth.dev/guest`, and removed there by an operator who trusts that
 * filesystem again. Its presence counts, whatever it says: a copy of the image, which carries it along, was written by
 * the same guest.
 */
export const GUEST_KEY = 'berth.dev/guest';

export const isGuestWritten = (metadata: ReadonlyMap<string, string>): boolean => metadata.has(GUEST_KEY);

/** Who marks the image, and where. */
interface Marker extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'compareAndSet'>;
  readonly node: string;
  readonly now: () => Date;
}

export interface GuestMark {
  readonly volume: string;
  /** Of the image that the guest gets; undefined where that is not known. */
  readonly imageId: string | undefined;
  readonly secrets: Credentials | undefined;
  readonly sandbox: 'kata' | 'hyperd';
}

/**
 * Before a guest can write for the first time. BERTH_VOLUME_NOT_FOUND, BERTH_RECORD_CONTENDED, BERTH_IMAGE_REPLACED
 * where the volume's name leads to another image.
 */
export async function markGuestWritten(
  marker: Marker,
  { volume, imageId, secrets, sandbox }: GuestMark,
  deadline: Deadline,
): Promise<void> {
  const { at, head } = await mustFindVolume(marker, volume, 'node', secrets, deadline);
  if (imageId !== undefined && imageId !== head.id)
    throw berthError('BERTH_IMAGE_REPLACED', { volume, mapped: imageId, named: head.id });
  if (isGuestWritten(head.metadata)) return;
  const mark = JSON.stringify({ version: 1, sandbox, node: marker.node, since: marker.now().toISOString() });
  if (await marker.rbd.compareAndSet(at, head.id, GUEST_KEY, undefined, mark, deadline)) return;
  throw berthError('BERTH_RECORD_CONTENDED', { volume, times: 1 });
}
