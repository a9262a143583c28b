/** On what a clone stands, as the headers of both images have it (class rbd), read without opening either. */
import type { CloneHead, CloneParent, ParentSnapshot } from '../../../port/clone-port.js';
import { ENOENT, CephErrno, unlessAbsent } from '../../ceph-errors.js';
import { withCells } from '../../foreign/c-memory.js';
import { Decoder, Encoder } from '../../foreign/ceph-encoding.js';
import { header, PARENT, parentSpecIn, rbdClass, readHeaderAnd, unlessImageAbsent } from '../image-header.js';
import { callClasses } from '../object-operation.js';
import type { OpenPool } from '../open-pool.js';

const CREATED = rbdClass('get_create_timestamp');

/** Two operations; undefined for an image without a parent, and for none. */
export async function readParent(place: OpenPool, imageId: string): Promise<CloneParent | undefined> {
  const { link, io, at } = place;
  const answers = await unlessAbsent(callClasses(link.ceph, io, header(imageId), [PARENT, CREATED]));
  const parent = answers && (await parentIn(place, answers[0]));
  if (parent === undefined) return undefined;
  const { pool, namespace } = parent;
  const parentPlace = { ...place, at: { ...at, pool, namespace }, io: await link.pool({ ...at, pool, namespace }) };
  const child = { poolId: BigInt(link.ceph.rados.poolIdOf.now(io)), namespace: at.namespace, imageId };
  const isLinked = await knowsClone(parentPlace, parent.imageId, parent.snapshotId, child);
  return { ...parent, isLinked, createdAt: timeIn(answers?.[1]) };
}

/** One operation. */
export const readClone = (place: OpenPool, imageId: string): Promise<CloneHead | undefined> =>
  unlessImageAbsent(place, async () => {
    const { head, kin } = await readHeaderAnd(place, imageId, []);
    const parent = await parentIn(place, kin);
    return parent && { head, parent };
  });

/** With the name of its pool. */
export async function parentIn(place: OpenPool, answer: Buffer | undefined): Promise<ParentSnapshot | undefined> {
  const spec = parentSpecIn(answer);
  if (spec === undefined) return undefined;
  const { poolId, ...parent } = spec;
  return { pool: await poolName(place, poolId), ...parent };
}

/** utime_t */
function timeIn(answer: Buffer | undefined): Date {
  const time = new Decoder(answer ?? Buffer.alloc(8));
  return new Date(time.u32() * 1000 + Math.floor(time.u32() / 1e6));
}

/** cls::rbd::ChildImageSpec */
interface Child {
  readonly poolId: bigint;
  readonly namespace: string;
  readonly imageId: string;
}

/** Of format 2 alone: one of format 1 is listed elsewhere. */
async function knowsClone({ link, io }: OpenPool, imageId: string, snapshotId: bigint, child: Child): Promise<boolean> {
  const call = rbdClass('children_list', new Encoder().u64(snapshotId));
  const answers = await unlessAbsent(callClasses(link.ceph, io, header(imageId), [call]));
  const children = new Decoder(answers?.[0] ?? Buffer.alloc(4));
  for (let left = children.u32(); left > 0; left -= 1) {
    const one = children.versioned();
    const poolId = BigInt.asIntN(64, one.u64());
    // The namespace came with a later version of the structure.
    const [id, namespace] = [one.text(), one.text()];
    if (poolId === child.poolId && namespace === child.namespace && id === child.imageId) return true;
  }
  return false;
}

/** By our own map of the cluster. @throws CephErrno ENOENT */
export function poolName({ link }: OpenPool, id: bigint): Promise<string> {
  const bytes = 256;
  return withCells(bytes / 8, async (cells) => {
    const length = await link.ceph.rados.poolName.later(link.cluster, id, cells.at(0), bytes);
    if (length < 0) throw new CephErrno(-ENOENT, `look up pool ${id}`);
    return cells.chars(0);
  });
}
