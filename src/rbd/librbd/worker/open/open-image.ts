/** Opens an image for the time of one operation and reads what only an open image tells. */
import type { Watcher } from '../../../port.js';
import type { Image } from '../../foreign/bindings.js';
import { check, ENOENT, ERANGE } from '../../ceph-errors.js';
import { Cells, withCells } from '../../foreign/c-memory.js';
import type { OpenPool } from '../open-pool.js';

/** Read-only sets no watch; a writer has one, and others see it. */
export type OpenMode = 'read-only' | 'read-write';

/** An image by its name, or by its id whatever it is called. */
export type ImageKey = string | { readonly id: string };

interface Shared {
  readonly image: Promise<Image>;
  users: number;
}

/** Being opened read-only just now, by pool and name or id. */
const opening = new Map<string, Shared>();

/**
 * An image that is being opened read-only for somebody else is shared, as long as
 * nobody has read anything of it: an open costs 5 ms of processor time, for librbd
 * copies the whole configuration several times, and a stage asks twice at once.
 * @throws CephErrno, ENOENT where there is no such image
 */
export async function withImage<T>(
  place: OpenPool,
  which: ImageKey,
  mode: OpenMode,
  work: (image: Image) => Promise<T>,
): Promise<T> {
  const key = typeof which === 'string' ? `${place.io}/name/${which}` : `${place.io}/id/${which.id}`;
  const shared = (mode === 'read-only' && opening.get(key)) || begin(place, which, mode, key);
  shared.users += 1;
  try {
    return await work(await shared.image);
  } finally {
    shared.users -= 1;
    const isLast = shared.users === 0;
    const image = await shared.image.catch(() => undefined);
    if (isLast && image !== undefined) await closeImage(place, image, mode);
  }
}

/**
 * Nobody sees that an image is open read-only, so nobody waits until it is closed: that asks nothing of Ceph, so it
 * takes no thread for long.
 */
export async function closeImage({ link }: OpenPool, image: Image, mode: OpenMode): Promise<void> {
  const closing = link.ceph.rbd.close.later(image);
  if (mode === 'read-only') link.endsAfter(closing);
  else await closing;
}

/**
 * The image as it was at a snapshot, whatever that is called; shared with nobody.
 * @throws CephErrno, ENOENT where there is no such image or snapshot
 */
export async function withSnapshot<T>(
  place: OpenPool,
  which: ImageKey,
  snapshotId: bigint,
  work: (image: Image) => Promise<T>,
): Promise<T> {
  const { rbd } = place.link.ceph;
  const image = await openImage(place, which, 'read-only');
  try {
    check(await rbd.goToSnapshot.later(image, snapshotId), `look at snapshot ${snapshotId}`);
    return await work(image);
  } finally {
    await rbd.close.later(image);
  }
}

function begin(place: OpenPool, which: ImageKey, mode: OpenMode, key: string): Shared {
  const shared: Shared = { image: openImage(place, which, mode), users: 0 };
  if (mode === 'read-write') return shared;
  opening.set(key, shared);
  const noMore = (): boolean => opening.delete(key);
  // Before the first user goes on, since it waits later than this.
  shared.image.then(noMore, noMore);
  return shared;
}

/** @throws CephErrno, ENOENT where there is no such image */
export function openImage({ link, io }: OpenPool, which: ImageKey, mode: OpenMode): Promise<Image> {
  const { rbd } = link.ceph;
  const [byName, byId] = mode === 'read-only' ? [rbd.openReadOnly, rbd.openByIdReadOnly] : [rbd.open, rbd.openById];
  return withCells(1, async (cells) => {
    const opening =
      typeof which === 'string'
        ? byName.later(io, which, cells.at(0), null)
        : byId.later(io, which.id, cells.at(0), null);
    check(await opening, 'open image');
    return cells.u64(0) as Image;
  });
}

/** The members of C structs in an array that Ceph sized with ERANGE, read by `read` and given back by `free`. */
async function listOf<T>(
  cellsEach: number,
  list: (out: bigint, room: bigint) => Promise<number>,
  read: (cells: Cells, first: number) => T,
  free: (out: bigint, count: bigint) => void,
  countOf: (result: number, room: Cells) => number,
): Promise<T[]> {
  for (let room = 16; ; ) {
    const array = new Cells(room * cellsEach);
    const size = new Cells(1);
    try {
      size.setU64(0, BigInt(room));
      const result = await list(array.at(0), size.at(0));
      if (result === -ERANGE) {
        room = Math.max(size.i32(0), room * 2);
        continue;
      }
      const count = countOf(check(result, 'list'), size);
      const found = Array.from({ length: count }, (_, n) => read(array, n * cellsEach));
      free(array.at(0), BigInt(count));
      return found;
    } finally {
      array.free();
      size.free();
    }
  }
}

export function watchersOf({ link: { ceph } }: OpenPool, image: Image): Promise<Watcher[]> {
  // rbd_image_watcher_t: char *addr; int64_t id; uint64_t cookie
  return listOf(
    3,
    (out, room) => ceph.rbd.watchers.later(image, out, room),
    (cells, at) => ({ address: bareAddress(cells.text(at)), client: cells.i64(at + 1) }),
    (out, count) => ceph.rbd.freeWatchers.now(out, count),
    (_, room) => Number(room.u64(0)),
  );
}

export function snapshotsOf({ link: { ceph } }: OpenPool, image: Image): Promise<string[]> {
  // rbd_snap_info_t: uint64_t id; uint64_t size; const char *name
  return listOf(
    3,
    (out, room) => ceph.rbd.snapshots.later(image, out, room),
    (cells, at) => cells.text(at + 2),
    (out) => ceph.rbd.freeSnapshots.now(out),
    (result) => result,
  );
}

/** `pool[/namespace]/image` of every clone of any of its snapshots, those in the trash as well. */
export function clonesOf({ link: { ceph } }: OpenPool, image: Image): Promise<string[]> {
  // rbd_linked_image_spec_t: int64_t pool_id; char *pool, *namespace, *id, *name; bool trash
  return listOf(
    6,
    (out, room) => ceph.rbd.children.later(image, out, room),
    (cells, at) => {
      const name = [cells.text(at + 1), cells.text(at + 2), cells.text(at + 4)].filter((part) => part !== '').join('/');
      return cells.u8(at + 5) === 0 ? name : `${name} (in the trash)`;
    },
    (out, count) => ceph.rbd.freeChildren.now(out, count),
    (_, room) => Number(room.u64(0)),
  );
}

/** The RBD group that it is in; undefined where it is in none. */
export function groupOf({ link: { ceph } }: OpenPool, image: Image): Promise<string | undefined> {
  // rbd_group_info_t: char *name; int64_t pool
  return withCells(2, async (cells) => {
    check(await ceph.rbd.group.later(image, cells.at(0), GROUP_BYTES), 'get group');
    const name = cells.text(0);
    ceph.rbd.freeGroup.now(cells.at(0), GROUP_BYTES);
    return name === '' ? undefined : name;
  });
}

const GROUP_BYTES = 16;

/** `pool[/namespace]/image@snapshot` of a clone's parent. */
export function parentOf({ link: { ceph } }: OpenPool, image: Image): Promise<string | undefined> {
  const { rbd } = ceph;
  // rbd_linked_image_spec_t: int64_t pool_id; char *pool, *namespace, *id, *name; bool trash
  // rbd_snap_spec_t: uint64_t id; int namespace_type; char *name
  return withCells(6 + 3, async (cells) => {
    const result = await rbd.parent.later(image, cells.at(0), cells.at(6));
    if (result === -ENOENT) return undefined;
    check(result, 'get parent');
    const [pool, namespace, name, snapshot] = [cells.text(1), cells.text(2), cells.text(4), cells.text(8)];
    rbd.freeImageSpec.now(cells.at(0));
    rbd.freeSnapshotSpec.now(cells.at(6));
    return `${[pool, namespace, name].filter((part) => part !== '').join('/')}@${snapshot}`;
  });
}

/** One of the getters that write a u64. */
export function numberOf(
  getter: { later(image: Image, out: bigint): Promise<number> },
  image: Image,
  what: string,
): Promise<bigint> {
  return withCells(1, async (cells) => {
    check(await getter.later(image, cells.at(0)), what);
    return cells.u64(0);
  });
}

/** Newer releases write `v2:` before an address; the kernel's client_addr and the blocklist do without. */
export const bareAddress = (address: string): string => address.replace(/^v\d:/, '');
