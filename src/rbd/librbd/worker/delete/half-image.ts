/**
 * Images of which only a name is there: their create was cut short before the header, or the removal of such a one at
 * its very end.
 */
import { CephErrno, check, ENOENT, ESTALE, unlessAbsent } from '../../ceph-errors.js';
import { withCells } from '../../foreign/c-memory.js';
import { Decoder, Encoder } from '../../foreign/ceph-encoding.js';
import { rbdClass, readHeader, readImageId, unlessImageAbsent } from '../image-header.js';
import { callClasses, readPage, write, writeClass } from '../object-operation.js';
import type { OpenPool } from '../open-pool.js';

const DIRECTORY = 'rbd_directory';

/**
 * The id where there is a name, and neither a header nor the object map that librbd makes after it: an image that has
 * the latter lost its header, and its data is still there to be saved by that id. Three operations, four where the
 * directory alone has the name.
 */
export async function readInterruptedCreate(place: OpenPool, image: string): Promise<string | undefined> {
  const id = (await unlessAbsent(readImageId(place, image))) ?? (await unlessAbsent(readEntry(place, image)));
  if (id === undefined || (await unlessAbsent(readHeader(place, id))) !== undefined) return undefined;
  const { link, io } = place;
  const hadHeader = (await unlessAbsent(readPage(link.ceph, io, `rbd_object_map.${id}`, '', 1))) !== undefined;
  return hadHeader ? undefined : id;
}

/** ms since the epoch, by the clock of who wrote the name; undefined where there is none. One operation. */
export const readNamedAt = (place: OpenPool, image: string): Promise<number | undefined> =>
  unlessImageAbsent(place, () =>
    withCells(2, async (cells) => {
      const name = `rbd_id.${image}`;
      check(await place.link.ceph.rados.stat.later(place.io, name, cells.at(0), cells.at(1)), `look at ${name}`);
      return Number(cells.u64(1)) * 1_000;
    }),
  );

/**
 * Take the name out of the directory where that is all that is left of the image. librbd makes the object of the name
 * before the entry, and removes it before: an entry that was seen, and then no such object, is never a create that is
 * under way. The class compares the id, so the entry of an image that has come meanwhile stays. False where there is
 * nothing of the kind. Three operations.
 */
export async function dropDeadEntry(place: OpenPool, image: string, id: string): Promise<boolean> {
  const { link, io } = place;
  if ((await unlessAbsent(readEntry(place, image))) !== id) return false;
  if ((await unlessAbsent(readImageId(place, image))) !== undefined) return false;
  if ((await unlessAbsent(readHeader(place, id))) !== undefined) return false;
  const input = new Encoder().bytes(image).bytes(id);
  try {
    await write(link.ceph, io, DIRECTORY, 'take a name out of the directory', [
      writeClass(link.ceph, rbdClass('dir_remove_image', input)),
    ]);
    return true;
  } catch (error) {
    if (error instanceof CephErrno && error.is(ENOENT, ESTALE)) return false;
    throw error;
  }
}

/** The id that the directory has for a name. @throws CephErrno ENOENT */
async function readEntry({ link, io }: OpenPool, image: string): Promise<string> {
  const [answer] = await callClasses(link.ceph, io, DIRECTORY, [rbdClass('dir_get_id', new Encoder().bytes(image))]);
  return new Decoder(answer ?? Buffer.alloc(0)).text();
}
