/** What RbdPort in memory keeps of images and of the places that they are in. */
import { berthError } from '../../src/model/errors.js';
import { imageSpec } from '../../src/model/volume-id.js';
import type { ImageHead, ImageLock, ImageRef, NewImage, PoolRef, Watcher } from '../../src/rbd/port.js';
import type { Snapshot } from '../../src/rbd/port/snapshot-port.js';

/** What the fake keeps of an image; tests may change it behind the port's back. */
export interface MemoryImage {
  readonly id: string;
  readonly spec: NewImage;
  sizeBytes: bigint;
  readonly metadata: Map<string, string>;
  written: boolean;
  /** What its data begins with. */
  start: Buffer;
  parent: string | undefined;
  parentId: string | undefined;
  snapshots: string[];
  readonly cuts: Map<string, Snapshot>;
  watchers: Watcher[];
  locks: ImageLock[];
  clones: string[];
  group: string | undefined;
}

export interface Namespace {
  readonly images: Map<string, MemoryImage>;
  readonly records: Map<string, Map<string, string>>;
}

const OBJECT_BYTES = 4 * 1024 * 1024;
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** As `spec` wants it; nobody has used it yet. */
export function newImage(id: string, spec: NewImage, metadata: Map<string, string>): MemoryImage {
  const kin = {
    parent: undefined,
    parentId: undefined,
    snapshots: [],
    cuts: new Map<string, Snapshot>(),
    clones: [],
    group: undefined,
  };
  const fresh = { metadata, written: false, start: Buffer.alloc(0), watchers: [], locks: [] };
  return { id, spec, sizeBytes: spec.sizeBytes, ...kin, ...fresh };
}

export function headOf({ id, sizeBytes, spec, metadata, locks }: MemoryImage, fsid: string): ImageHead {
  const sorted = new Map([...metadata].sort(([a], [b]) => byBytes(a, b)));
  const objectSizeBytes = spec.objectSizeBytes ?? OBJECT_BYTES;
  const more = { features: [...spec.features], metadata: sorted, locks: [...locks] };
  return { id, fsid, sizeBytes, objectSizeBytes, ...more };
}

export const emptyNamespace = (): Namespace => ({ images: new Map(), records: new Map() });
export const poolMissing = (at: PoolRef, pool: string): Error =>
  berthError('BERTH_POOL_NOT_FOUND', { pool, cluster: at.access.cluster });
export const groupedError = (at: ImageRef, group: string): Error =>
  berthError('BERTH_IMAGE_IN_GROUP', { image: imageSpec(at), group: imageSpec({ ...at, image: group }) });
