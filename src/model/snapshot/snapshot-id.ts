/**
 * The snapshot's handle: `cluster/pool[/namespace]/<image id>@<snapshot id>`. Both ids are Ceph's own, so that it is
 * found by one read, also when the image was renamed because its volume was deleted.
 */
import { berthError } from '../errors.js';
import { isClusterName, isPlaceName, MAX_ID_BYTES, type PoolSpec } from '../volume-id.js';

/** What a snapshot's handle says. */
export interface SnapshotId extends PoolSpec {
  /** By its name in the clusters file. */
  readonly cluster: string;
  /** As `rbd info` shows it; unique in its pool, and never given again. */
  readonly imageId: string;
  /** As `rbd snap ls` shows it; unique in its pool, and never given again. */
  readonly snapshotId: bigint;
}

/** No sign, no zero in front of a number: what can be read is written in one way only. */
const FORM = /^([^/@]+)\/([^/@]+)(?:\/([^/@]+))?\/([0-9a-z]{1,32})@([1-9]\d{0,19})$/;
/** CEPH_MAXSNAP: greater ones mean something else to Ceph, the image itself among them. */
const LAST_SNAPSHOT = 0xffff_ffff_ffff_fffdn;

/** The handle as Kubernetes stores it; throws BERTH_FIELD_INVALID where it would not fit 128 bytes. */
export function formatSnapshotId({ cluster, pool, namespace, imageId, snapshotId }: SnapshotId): string {
  const place = namespace === '' ? `${cluster}/${pool}` : `${cluster}/${pool}/${namespace}`;
  const text = `${place}/${imageId}@${snapshotId}`;
  if (Buffer.byteLength(text) <= MAX_ID_BYTES) return text;
  const why = `${text} is longer than ${MAX_ID_BYTES} bytes; use shorter pool or namespace names`;
  throw berthError('BERTH_FIELD_INVALID', { field: 'snapshot id', why });
}

/** Read a handle; undefined where it cannot be one of ours: the contract takes it for a snapshot that is not there. */
export function parseSnapshotId(text: string): SnapshotId | undefined {
  if (Buffer.byteLength(text) > MAX_ID_BYTES) return undefined;
  const [, cluster = '', pool = '', namespace = '', imageId = '', number = ''] = FORM.exec(text) ?? [];
  if (!isClusterName(cluster) || !isPlaceName(pool) || (namespace !== '' && !isPlaceName(namespace))) return undefined;
  const snapshotId = BigInt(number);
  return snapshotId > LAST_SNAPSHOT ? undefined : { cluster, pool, namespace, imageId, snapshotId };
}
