/** Compound operations on one RADOS object: however many steps, one message to one OSD, all or nothing. */
import type { CephLibraries, Ioctx, ReadOp, WriteOp } from '../foreign/bindings.js';
import { CephErrno, check, ECANCELED } from '../ceph-errors.js';
import { bytesAt, withBytes, withCells } from '../foreign/c-memory.js';
import type { Cells } from '../foreign/c-memory.js';

/** A method of an OSD class. */
export interface ClassCall {
  readonly cls: string;
  readonly method: string;
  readonly input: Buffer;
}

/**
 * Run read-only class methods in one read operation; their outputs in order.
 * @throws CephErrno of the first that fails
 */
export function callClasses(
  ceph: CephLibraries,
  io: Ioctx,
  object: string,
  calls: readonly ClassCall[],
): Promise<Buffer[]> {
  const { rados } = ceph;
  return withRead(ceph, (op) =>
    withCells(2 * calls.length, async (cells) => {
      for (const [n, { cls, method, input }] of calls.entries()) {
        rados.readExec.now(op, cls, method, input, input.length, cells.at(2 * n), cells.at(2 * n + 1), null);
      }
      try {
        check(await rados.read.later(op, io, object, 0), calls.map(({ method }) => method).join(', '));
        return calls.map((_, n) => bytesAt(cells.u64(2 * n), Number(cells.u64(2 * n + 1))));
      } finally {
        for (const n of calls.keys()) rados.freeBuffer.now(cells.u64(2 * n));
      }
    }),
  );
}

/** Read omap entries by key; absent ones are left out. @throws CephErrno, ENOENT where the object is absent */
export function readEntries(
  ceph: CephLibraries,
  io: Ioctx,
  object: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const { rados } = ceph;
  return withRead(ceph, (op) =>
    withCells(5, (cells) =>
      withBytes(
        keys.map((key) => Buffer.from(key)),
        async ({ pointers, lengths, count }) => {
          rados.readKeys.now(op, pointers, count, lengths, cells.at(0), null);
          try {
            check(await rados.read.later(op, io, object, 0), 'read omap');
            return drain(ceph, cells);
          } finally {
            rados.endEntries.now(cells.u64(0));
          }
        },
      ),
    ),
  );
}

/** A page of omap entries in the order of their keys. @throws CephErrno, ENOENT where the object is absent */
export function readPage(
  ceph: CephLibraries,
  io: Ioctx,
  object: string,
  after: string,
  max: number,
): Promise<Map<string, string>> {
  const { rados } = ceph;
  // The last cell is where Ceph says whether there is more: the next page says so as well.
  return withRead(ceph, (op) =>
    withCells(6, async (cells) => {
      rados.readPage.now(op, after, '', BigInt(max), cells.at(0), cells.at(5), null);
      try {
        check(await rados.read.later(op, io, object, 0), 'list omap');
        return drain(ceph, cells);
      } finally {
        rados.endEntries.now(cells.u64(0));
      }
    }),
  );
}

/** The entries of the omap iterator in cell 0. */
function drain({ rados }: CephLibraries, cells: Cells): Map<string, string> {
  const entries = new Map<string, string>();
  for (;;) {
    const result = rados.nextEntry.now(cells.u64(0), cells.at(1), cells.at(2), cells.at(3), cells.at(4));
    check(result, 'read omap');
    if (cells.u64(1) === 0n) return entries;
    const key = bytesAt(cells.u64(1), Number(cells.u64(3))).toString('utf8');
    entries.set(key, bytesAt(cells.u64(2), Number(cells.u64(4))).toString('utf8'));
  }
}

async function withRead<T>({ rados }: CephLibraries, work: (op: ReadOp) => Promise<T>): Promise<T> {
  const op = rados.newRead.now();
  try {
    return await work(op);
  } finally {
    rados.releaseRead.now(op);
  }
}

/** One step of a write operation. */
export type WriteStep = (op: WriteOp) => void | Promise<void>;

/** Run these steps in one write operation. @throws CephErrno, with nothing changed */
export async function write(
  ceph: CephLibraries,
  io: Ioctx,
  object: string,
  what: string,
  steps: readonly WriteStep[],
): Promise<void> {
  const { rados } = ceph;
  const op = rados.newWrite.now();
  try {
    for (const step of steps) await step(op);
    check(await rados.write.later(op, io, object, null, 0), what);
  } finally {
    rados.releaseWrite.now(op);
  }
}

/** LIBRADOS_CMPXATTR_OP_EQ. */
const EQUAL = 1;

/** The object must exist: without this step a write creates it. ENOENT */
export const mustExist =
  ({ rados }: CephLibraries): WriteStep =>
  (op) =>
    rados.mustExist.now(op);

/** LIBRADOS_CREATE_IDEMPOTENT. */
const UNLESS_THERE = 0;

/** Create the object unless it is there: a comparison fails at an object that is not. */
export const createObject =
  ({ rados }: CephLibraries): WriteStep =>
  (op) =>
    rados.createObject.now(op, UNLESS_THERE, null);

/** The omap value must be this; an absent key is as good as an empty value. ECANCELED */
export const mustEqual =
  ({ rados }: CephLibraries, key: string, value: string | Buffer): WriteStep =>
  (op) => {
    const [k, v] = [Buffer.from(key), typeof value === 'string' ? Buffer.from(value) : value];
    rados.mustEqual.now(op, k, EQUAL, v, k.length, v.length, null);
  };

export const setEntries =
  ({ rados }: CephLibraries, entries: ReadonlyMap<string, string>): WriteStep =>
  (op) =>
    withBytes(
      [...entries.keys()].map((key) => Buffer.from(key)),
      (keys) =>
        withBytes(
          [...entries.values()].map((value) => Buffer.from(value)),
          (values) =>
            rados.setEntries.now(op, keys.pointers, values.pointers, keys.lengths, values.lengths, keys.count),
        ),
    );

export const removeEntries =
  ({ rados }: CephLibraries, ...keys: readonly string[]): WriteStep =>
  (op) =>
    withBytes(
      keys.map((key) => Buffer.from(key)),
      ({ pointers, lengths, count }) => rados.removeEntries.now(op, pointers, lengths, count),
    );

/** LIBRADOS_CREATE_EXCLUSIVE. */
const EXCLUSIVE = 1;

/** Create the object. EEXIST where it is there. */
export const createNewObject =
  ({ rados }: CephLibraries): WriteStep =>
  (op) =>
    rados.createObject.now(op, EXCLUSIVE, null);

/** The object's data must begin with this. {@link isOtherContent}; ENOENT */
export const mustContain =
  ({ rados }: CephLibraries, bytes: Buffer): WriteStep =>
  (op) =>
    rados.mustContain.now(op, bytes, bytes.length, 0n, null);

/** MAX_ERRNO of Ceph: a comparison of data fails with this and the offset of the first byte that differs. */
const MAX_ERRNO = 4095;
export const isOtherContent = (error: CephErrno): boolean => error.errno >= MAX_ERRNO;

export const removeObject =
  ({ rados }: CephLibraries): WriteStep =>
  (op) =>
    rados.removeObject.now(op);

export const writeClass =
  ({ rados }: CephLibraries, { cls, method, input }: ClassCall): WriteStep =>
  (op) =>
    rados.writeExec.now(op, cls, method, input, input.length, null);

/** False where the comparison in the operation failed: somebody else was first. */
export async function unlessChanged(change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (error) {
    if (error instanceof CephErrno && error.is(ECANCELED)) return false;
    throw error;
  }
}
