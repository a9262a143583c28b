/** What RbdPort in memory keeps of images and of the places that they are in. */
import { berthError } from '../../src/model/errors.js';
import { featureBits } from '../../src/rbd/feature-bits.js';
import { imageSpec } from '../../src/model/volume-id.js';
import type { ImageDetail, ImageHead, ImageLock, ImageRef, NewImage, PoolRef, Watcher } from '../../src/rbd/port.js';
import type { ImageUsers } from '../../src/rbd/port/delete-port.js';
import type { Snapshot } from '../../src/rbd/port/snapshot-port.js';
import type { StandsOn } from './memory-clones.js';

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
  standsOn: StandsOn | undefined;
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
  const alone = { parent: undefined, parentId: undefined, standsOn: undefined, clones: [], group: undefined };
  const kin = { ...alone, snapshots: [], cuts: new Map<string, Snapshot>() };
  const fresh = { metadata, written: false, start: Buffer.alloc(0), watchers: [], locks: [] };
  return { id, spec, sizeBytes: spec.sizeBytes, ...kin, ...fresh };
}

export function headOf({ id, sizeBytes, spec, metadata, locks, standsOn }: MemoryImage, fsid: string): ImageHead {
  const sorted = new Map([...metadata].sort(([a], [b]) => byBytes(a, b)));
  const objectSizeBytes = spec.objectSizeBytes ?? OBJECT_BYTES;
  const more = { features: [...spec.features], metadata: sorted, locks: [...locks] };
  return { id, fsid, sizeBytes, objectSizeBytes, isClone: standsOn !== undefined, ...more };
}

/** Undefined for none. */
export const headIn = (image: MemoryImage | undefined, fsid: string): ImageHead | undefined =>
  image && headOf(image, fsid);

export function detailOf(image: MemoryImage, fsid: string): ImageDetail {
  const { spec, parent, clones, snapshots, watchers } = image;
  const head = headOf(image, fsid);
  const stripeUnitBytes = spec.stripeUnitBytes ?? head.objectSizeBytes;
  const stripes = { stripeUnitBytes, stripeCount: spec.stripeCount ?? 1, dataPool: spec.dataPool };
  const kin = { parent, clones: [...clones], snapshots: [...snapshots] };
  return { ...head, ...stripes, ...kin, watchers: [...watchers] };
}

/** @param blocked the clients whose watches count no more */
export function usersIn(at: ImageRef, image: MemoryImage, blocked: ReadonlyMap<string, unknown>): ImageUsers {
  const { watchers, snapshots, parentId, group } = image;
  if (group !== undefined) throw groupedError(at, group);
  return { watchers: watchers.filter(({ address }) => !blocked.has(address)), snapshots: snapshots.length, parentId };
}

export function refuseFeatures(features: readonly string[]): void {
  if (featureBits(features) !== undefined) return;
  throw berthError('BERTH_FIELD_INVALID', { field: 'imageFeatures', why: features.join(',') });
}

/** What keeps an image from being removed, as librbd has it. */
export function refuseUsed(at: ImageRef, { group, watchers, snapshots }: MemoryImage): void {
  if (group !== undefined) throw groupedError(at, group);
  const why = [
    ...watchers.map(({ address }) => `watched by ${address}`),
    ...(snapshots.length > 0 ? [`snapshots ${snapshots.join(', ')}`] : []),
  ];
  if (why.length > 0) throw berthError('BERTH_IMAGE_BUSY', { image: imageSpec(at), why: why.join('; ') });
}

/** Change one entry if it still is `expected`; an empty one is as good as an absent one. */
export function exchange(entries: Map<string, string>, key: string, expected = '', next = ''): boolean {
  if ((entries.get(key) ?? '') !== expected) return false;
  if (next === '') entries.delete(key);
  else entries.set(key, next);
  return true;
}

/** Up to `max` records by key, those after `after`. */
export function recordsIn(omap: ReadonlyMap<string, string> | undefined, after: string, max: number) {
  const sorted = [...(omap ?? [])].sort(([a], [b]) => byBytes(a, b)).filter(([key]) => byBytes(key, after) > 0);
  return new Map(sorted.slice(0, max));
}

/** A page of a directory. */
export const namesIn = (images: ReadonlyMap<string, MemoryImage>, after: string, max: number) =>
  [...images]
    .map(([name, { id }]) => ({ name, id }))
    .sort((a, b) => byBytes(a.name, b.name))
    .filter(({ name }) => byBytes(name, after) > 0)
    .slice(0, max);

export const emptyNamespace = (): Namespace => ({ images: new Map(), records: new Map() });
export const poolMissing = (at: PoolRef, pool: string): Error =>
  berthError('BERTH_POOL_NOT_FOUND', { pool, cluster: at.access.cluster });
export const groupedError = (at: ImageRef, group: string): Error =>
  berthError('BERTH_IMAGE_IN_GROUP', { image: imageSpec(at), group: imageSpec({ ...at, image: group }) });
