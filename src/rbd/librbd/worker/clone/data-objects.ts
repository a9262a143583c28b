/** The RADOS objects of an image's data, as the OSDs have them: no object map is asked. */
import type { Image, Ioctx } from '../../foreign/bindings.js';
import { check, CephErrno, ENOENT } from '../../ceph-errors.js';
import { withCells } from '../../foreign/c-memory.js';
import { Decoder } from '../../foreign/ceph-encoding.js';
import { poolName } from './clone-parent.js';
import { header, rbdClass } from '../image-header.js';
import { callClasses } from '../object-operation.js';
import { numberOf } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';
import { firstByteOf, type Layout } from './object-layout.js';

/** An image's own objects. */
export class DataObjects {
  readonly layout: Layout;
  readonly #place: OpenPool;
  readonly #io: Ioctx;
  readonly #prefix: string;

  private constructor(place: OpenPool, io: Ioctx, prefix: string, layout: Layout) {
    this.#place = place;
    this.#io = io;
    this.#prefix = prefix;
    this.layout = layout;
  }

  /** Of an open image. @throws CephErrno */
  static async of(place: OpenPool, image: Image, imageId: string, objectSize: bigint): Promise<DataObjects> {
    const { link, io, at } = place;
    const { rbd } = link.ceph;
    const [answer] = await callClasses(link.ceph, io, header(imageId), [rbdClass('get_object_prefix')]);
    const prefix = new Decoder(answer ?? Buffer.alloc(0)).text();
    const pool = await poolName(place, BigInt(await rbd.dataPool.later(image)));
    const stripeUnit = await numberOf(rbd.stripeUnit, image, 'get stripe unit');
    const stripeCount = await numberOf(rbd.stripeCount, image, 'get stripe count');
    return new DataObjects(place, await link.pool({ ...at, pool }), prefix, { objectSize, stripeUnit, stripeCount });
  }

  /** Those of them that are not there: one operation each. @throws CephErrno */
  async absent(objects: readonly bigint[]): Promise<bigint[]> {
    const are = await Promise.all(objects.map((object) => this.#isThere(object)));
    return objects.filter((_, n) => are[n] === false);
  }

  #isThere(object: bigint): Promise<boolean> {
    const { rados } = this.#place.link.ceph;
    const name = `${this.#prefix}.${object.toString(16).padStart(16, '0')}`;
    return withCells(2, async (cells) => {
      const result = await rados.stat.later(this.#io, name, cells.at(0), cells.at(1));
      if (result === -ENOENT) return false;
      check(result, `look for ${name}`);
      return true;
    });
  }
}

/** Read the first byte of an object. @throws CephErrno */
export function readFirstByte(
  { link: { ceph } }: OpenPool,
  image: Image,
  layout: Layout,
  object: bigint,
): Promise<void> {
  return withCells(1, async (cells) => {
    const result = Number(await ceph.rbd.read.later(image, firstByteOf(layout, object), 1n, cells.at(0)));
    if (result < 0) throw new CephErrno(result, `read object ${object}`);
  });
}
