/**
 * Reads and writes an image's small objects directly (`rbd_id.<name>`, `rbd_header.<id>`, `rbd_directory`), without
 * opening the image.
 */
import type { NamedImage } from '../../port/delete-port.js';
import type { ImageHead } from '../../port.js';
import { Decoder, Encoder } from '../foreign/ceph-encoding.js';
import { LOCKS, locksIn } from '../foreign/class-lock.js';
import { CephErrno, ENOENT, unlessAbsent } from '../ceph-errors.js';
import { featureNames } from '../../feature-bits.js';
import {
  callClasses,
  mustEqual,
  mustExist,
  removeEntries,
  setEntries,
  unlessChanged,
  write,
  writeClass,
} from './object-operation.js';
import type { ClassCall } from './object-operation.js';
import type { OpenPool } from './open-pool.js';

/** Metadata entries asked for at a time: an answer of usual size comes with the first operation. */
const PAGE = 1024;
/** CEPH_NOSNAP: the image itself, not a snapshot of it. */
const NO_SNAPSHOT = 0xffff_ffff_ffff_fffen;

export const rbdClass = (method: string, input = new Encoder()): ClassCall => ({
  cls: 'rbd',
  method,
  input: input.end(),
});
export const PARENT = rbdClass('parent_get');
export const SNAPSHOTS = rbdClass('get_snapcontext');
/** The object that is the image: all but its name and its data. */
export const header = (id: string): string => `rbd_header.${id}`;
/** Where class rbd keeps a metadata entry in the header's omap (RBD_METADATA_KEY_PREFIX). */
export const metadataKey = (name: string): string => `metadata_${name}`;

/** One operation. @throws CephErrno ENOENT */
export async function readImageId({ link, io }: OpenPool, image: string): Promise<string> {
  const [answer] = await callClasses(link.ceph, io, `rbd_id.${image}`, [rbdClass('get_id')]);
  return new Decoder(answer ?? Buffer.alloc(0)).text();
}

/** Two operations, one more for every further 1024 metadata entries; undefined where there is no such image. */
export const readHead = (place: OpenPool, image: string): Promise<ImageHead | undefined> =>
  unlessImageAbsent(place, async () => readHeader(place, await readImageId(place, image)));

/** One operation less than {@link readHead}. */
export const readHeadById = (place: OpenPool, id: string): Promise<ImageHead | undefined> =>
  unlessImageAbsent(place, () => readHeader(place, id));

/** @throws BERTH_POOL_NOT_FOUND */
export async function unlessImageAbsent<T>(place: OpenPool, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
    await place.link.checkPool(place.at);
    return undefined;
  }
}

/** What a header says instead of a pool where the image has no parent. */
const NO_POOL = -1n;

export interface ParentSpec {
  readonly poolId: bigint;
  readonly namespace: string;
  readonly imageId: string;
  readonly snapshotId: bigint;
}

/** The answer of {@link PARENT} (cls::rbd::ParentImageSpec); undefined where the image has no parent. */
export function parentSpecIn(answer: Buffer = Buffer.alloc(0)): ParentSpec | undefined {
  const spec = new Decoder(answer).versioned();
  const poolId = BigInt.asIntN(64, spec.u64());
  if (poolId === NO_POOL) return undefined;
  return { poolId, namespace: spec.text(), imageId: spec.text(), snapshotId: spec.u64() };
}

export interface SnapshotContext {
  /** The newest snapshot id that was ever given. */
  readonly sequence: bigint;
  /** Newest first; those in Ceph's trash, which only clones keep, as well. */
  readonly ids: readonly bigint[];
}

/** The answer of {@link SNAPSHOTS} (SnapContext). */
export function snapshotContextIn(answer: Buffer = Buffer.alloc(0)): SnapshotContext {
  const context = new Decoder(answer);
  const sequence = context.u64();
  return { sequence, ids: Array.from({ length: context.u32() }, () => context.u64()) };
}

export const readHeader = async (place: OpenPool, id: string): Promise<ImageHead> =>
  (await readHeaderAnd(place, id, [])).head;

/** The head, the answer of {@link PARENT}, and what more class methods answer, in one operation. @throws CephErrno */
export async function readHeaderAnd(
  { link, io }: OpenPool,
  id: string,
  more: readonly ClassCall[],
): Promise<{ readonly head: ImageHead; readonly kin: Buffer | undefined; readonly answers: readonly Buffer[] }> {
  const page = (after: string): ClassCall => rbdClass('metadata_list', new Encoder().bytes(after).u64(BigInt(PAGE)));
  const [size, features, first, locked, kin, ...answers] = await callClasses(link.ceph, io, header(id), [
    rbdClass('get_size', new Encoder().u64(NO_SNAPSHOT)),
    rbdClass('get_features', new Encoder().u64(NO_SNAPSHOT).u8(1)),
    page(''),
    LOCKS,
    PARENT,
    ...more,
  ]);
  const sizes = new Decoder(size ?? Buffer.alloc(0));
  const order = sizes.u8();
  const sizeBytes = sizes.u64();
  const metadata = new Decoder(first ?? Buffer.alloc(0)).map();
  let got = metadata.size;
  while (got === PAGE) {
    const [next] = await callClasses(link.ceph, io, header(id), [page([...metadata.keys()].at(-1) ?? '')]);
    const entries = new Decoder(next ?? Buffer.alloc(0)).map();
    for (const [key, value] of entries) metadata.set(key, value);
    got = entries.size;
  }
  const bits = new Decoder(features ?? Buffer.alloc(0)).u64();
  const locks = locksIn(locked ?? Buffer.alloc(0));
  const fsid = await link.fsid();
  const isClone = parentSpecIn(kin) !== undefined;
  const shape = { sizeBytes, objectSizeBytes: 2 ** order, features: featureNames(bits), isClone };
  const head = { id, fsid, ...shape, metadata, locks };
  return { head, kin, answers };
}

/** One operation, and only where none of the keys is there yet: false where one is. @throws CephErrno ENOENT */
export async function writeFirstMetadata(
  { link: { ceph }, io }: OpenPool,
  id: string,
  entries: ReadonlyMap<string, string>,
): Promise<boolean> {
  if (entries.size === 0) return true;
  return unlessChanged(() =>
    write(ceph, io, header(id), 'set first metadata', [
      mustExist(ceph),
      ...[...entries.keys()].map((name) => mustEqual(ceph, metadataKey(name), '')),
      writeClass(ceph, rbdClass('metadata_set', new Encoder().map(entries))),
    ]),
  );
}

/**
 * One operation. @throws CephErrno ENOENT where the image is gone:
 * without that check the class would leave a stray header
 */
export async function writeMetadata(
  { link, io }: OpenPool,
  id: string,
  entries: ReadonlyMap<string, string>,
): Promise<void> {
  if (entries.size === 0) return;
  await write(link.ceph, io, header(id), 'set metadata', [
    mustExist(link.ceph),
    writeClass(link.ceph, rbdClass('metadata_set', new Encoder().map(entries))),
  ]);
}

/**
 * One operation. The OSD takes an absent key for an empty value,
 * so an empty `expected` or `next` means absent here too.
 * @throws CephErrno ENOENT
 */
export async function exchangeMetadata(
  { link: { ceph }, io }: OpenPool,
  id: string,
  name: string,
  expected = '',
  next = '',
): Promise<boolean> {
  const key = metadataKey(name);
  return unlessChanged(() =>
    write(ceph, io, header(id), 'compare and set', [
      mustExist(ceph),
      mustEqual(ceph, key, expected),
      next === '' ? removeEntries(ceph, key) : setEntries(ceph, new Map([[key, next]])),
    ]),
  );
}

/** One operation. Undefined where the directory has no such image; a pool that never had one has no directory. */
export const readNameById = ({ link, io }: OpenPool, id: string): Promise<string | undefined> =>
  unlessAbsent(
    callClasses(link.ceph, io, 'rbd_directory', [rbdClass('dir_get_name', new Encoder().bytes(id))]).then(([answer]) =>
      new Decoder(answer ?? Buffer.alloc(0)).text(),
    ),
  );

/** TRASH_IMAGE_SOURCE_REMOVING (cls_rbd_types.h): moved there by a removal, not by a person. */
const REMOVING = 3;

/**
 * The images that are in the trash because their removal was cut short, or is under way. One operation for every 1024
 * images that are there. @throws CephErrno ENOENT where there never was a trash
 */
export async function readInterruptedRemovals({ link, io }: OpenPool): Promise<NamedImage[]> {
  const found: NamedImage[] = [];
  for (let after = ''; ; ) {
    const input = new Encoder().bytes(after).u64(BigInt(PAGE));
    const [answer] = await callClasses(link.ceph, io, 'rbd_trash', [rbdClass('trash_list', input)]);
    const list = new Decoder(answer ?? Buffer.alloc(0));
    const count = list.u32();
    for (let n = 0; n < count; n += 1) {
      after = list.text();
      const entry = list.versioned();
      if (entry.u8() === REMOVING) found.push({ name: entry.text(), id: after });
    }
    if (count < PAGE) return found;
  }
}

/** One operation for `max` images after the name `after`, in byte order of names. @throws CephErrno ENOENT */
export async function listRbdDirectory({ link, io }: OpenPool, after: string, max: number): Promise<NamedImage[]> {
  const input = new Encoder().bytes(after).u64(BigInt(max));
  const [answer] = await callClasses(link.ceph, io, 'rbd_directory', [rbdClass('dir_list', input)]);
  return [...new Decoder(answer ?? Buffer.alloc(0)).map()].map(([name, id]) => ({ name, id }));
}
