/** The volume handle: `cluster/pool[/namespace]/image`, all that is needed to find the image and nothing to look up. */
import { berthError } from './errors.js';

/** CSI limits ids to 128 bytes (spec 1.12, size limits). */
export const MAX_ID_BYTES = 128;

/** Where images are inside of a cluster, whichever that is: what Ceph's documentation calls a pool-spec. */
export interface PoolSpec {
  readonly pool: string;
  /** Empty for the pool's default namespace. */
  readonly namespace: string;
}

/**
 * An image inside of a cluster: what Ceph's documentation calls an image-spec. Every address of an image is one of
 * these, and adds how its cluster is known (docs/design.md, Addresses).
 */
export interface ImageSpec extends PoolSpec {
  readonly image: string;
}

/** What a handle says: the cluster is known by its name in the clusters file. */
export interface VolumeId extends ImageSpec {
  readonly cluster: string;
}

// A part is also a path component, so it is neither "." nor "..".
const PART = /^(?!\.{1,2}$)[A-Za-z0-9._][A-Za-z0-9._-]*$/;
const CLUSTER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$/;

/** May this be the name of a cluster in the clusters file? */
export const isClusterName = (text: string): boolean => CLUSTER.test(text);
/** May this be a pool, namespace or image in a volume handle? Ceph allows more, command lines and paths do not. */
export const isPlaceName = (text: string): boolean => PART.test(text);

/** The handle as Kubernetes stores it; throws BERTH_FIELD_INVALID where it would not fit 128 bytes. */
export function formatVolumeId(id: VolumeId): string {
  const text = [id.cluster, id.pool, ...(id.namespace === '' ? [] : [id.namespace]), id.image].join('/');
  if (Buffer.byteLength(text) > MAX_ID_BYTES) {
    throw berthError('BERTH_FIELD_INVALID', {
      field: 'volume id',
      why: `${text} is longer than ${MAX_ID_BYTES} bytes; use shorter pool or namespace names`,
    });
  }
  return text;
}

/**
 * Read a handle; undefined where it cannot be one of ours (the
 * contract treats such an id as a volume that is not there).
 */
export function parseVolumeId(text: string): VolumeId | undefined {
  if (Buffer.byteLength(text) > MAX_ID_BYTES) return undefined;
  const [cluster, pool, ...rest] = text.split('/');
  const image = rest.at(-1);
  const namespace = rest.length === 2 ? rest[0] : '';
  if (cluster === undefined || pool === undefined || image === undefined || namespace === undefined || rest.length > 2)
    return undefined;
  if (!CLUSTER.test(cluster) || !PART.test(pool) || !PART.test(image)) return undefined;
  if (rest.length === 2 && !PART.test(namespace)) return undefined;
  return { cluster, pool, namespace, image };
}

/** `pool[/namespace]/image`, as the rbd command line spells it. */
export const imageSpec = (at: ImageSpec): string =>
  at.namespace === '' ? `${at.pool}/${at.image}` : `${at.pool}/${at.namespace}/${at.image}`;

/** `pool[/namespace]/image` of a handle; undefined for one that is none of ours. */
export function imageOf(volume: string): string | undefined {
  const id = parseVolumeId(volume);
  return id === undefined ? undefined : imageSpec(id);
}

/**
 * Was a record that names `image` written for another image than this volume's? `rbd clone` and `rbd cp` carry an
 * image's metadata along: what it says of its origin must not be believed of the copy.
 */
export function isCopied(image: unknown, volume: string): boolean {
  const own = imageOf(volume);
  return image !== undefined && own !== undefined && image !== own;
}

/** Which image it is, whatever its name: ids are Ceph's own and last as long as the image. */
export interface ImageIdentity {
  /** `rbd info` shows it; unique in its pool. */
  readonly id: string;
  /** Of its cluster. */
  readonly fsid: string;
}

/** How a record says whose it is. Records of earlier releases have the name alone, the oldest nothing. */
export interface RecordSubject {
  /** `pool[/namespace]/image` when it was written. */
  readonly image?: string;
  readonly imageId?: string;
  readonly fsid?: string;
}

/**
 * Did a record come with a copy (`rbd cp`, `rbd clone`, import, mirror), so that it speaks of another image than the
 * one that it stands in? Ids tell, whatever the names are: a renamed image is the same one, and a copy that was moved
 * to its origin's name is another one. Without ids the name has to do.
 * @param own of the image in whose metadata the record stands; undefined where only the text is known
 */
export function isOfAnother(record: RecordSubject, volume: string, own: ImageIdentity | undefined): boolean {
  const { image, imageId, fsid } = record;
  if (own === undefined || typeof imageId !== 'string') return isCopied(image, volume);
  return imageId !== own.id || (fsid !== undefined && fsid !== own.fsid);
}

/** What a record that is written now says of itself. */
export function subjectOf(volume: string, own: ImageIdentity): RecordSubject {
  const image = imageOf(volume);
  const ids = { imageId: own.id, fsid: own.fsid };
  return image === undefined ? ids : { image, ...ids };
}
