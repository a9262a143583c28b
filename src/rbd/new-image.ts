/** What the metadata of a new image say of it: who it is nobody knows before it is there. */
import type { ImageIdentity } from '../model/volume-id.js';

/** Stands for the image's own identity in the values of its first metadata. */
export const NEW_IMAGE: ImageIdentity = { id: '@image id@', fsid: '@cluster fsid@' };

/** The metadata with the identity that the image has by now. */
export const withIdentity = (
  metadata: ReadonlyMap<string, string>,
  { id, fsid }: ImageIdentity,
): ReadonlyMap<string, string> =>
  new Map(
    [...metadata].map(([key, value]) => [key, value.replaceAll(NEW_IMAGE.id, id).replaceAll(NEW_IMAGE.fsid, fsid)]),
  );
