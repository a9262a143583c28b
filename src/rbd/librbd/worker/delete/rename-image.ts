/**
 * Gives an image another name by three small operations, without opening it: what librbd's own rename does. Each may be
 * repeated, so that a rename which was cut short anywhere is gone on with.
 */
import { CephErrno, EEXIST, ENOENT, ESTALE, refusalError, unlessAbsent } from '../../ceph-errors.js';
import { Encoder } from '../../foreign/ceph-encoding.js';
import { rbdClass, readImageId, readNameById } from '../image-header.js';
import { createNewObject, isOtherContent, mustContain, removeObject, write, writeClass } from '../object-operation.js';
import { specOf } from '../open-pool.js';
import type { OpenPool } from '../open-pool.js';

const DIRECTORY = 'rbd_directory';
const nameObject = (name: string): string => `rbd_id.${name}`;
/** What stands in such an object. */
const idAsStored = (id: string): Buffer => new Encoder().bytes(id).end();

/**
 * The new name first, then the directory, in which the image has exactly one name at every moment, then the old name,
 * which others may have taken by then. False where the image has neither name any more.
 * @throws BERTH_IMAGE_EXISTS where the new name is another image's
 */
export async function renameImage(place: OpenPool, id: string, from: string, to: string): Promise<boolean> {
  await takeName(place, id, to);
  const isMoved = await moveEntry(place, id, from, to);
  await dropName(place, id, isMoved ? from : to);
  return isMoved;
}

/** @throws BERTH_IMAGE_EXISTS */
async function takeName(place: OpenPool, id: string, name: string): Promise<void> {
  const { link, io, at } = place;
  const setId = writeClass(link.ceph, rbdClass('set_id', new Encoder().bytes(id)));
  try {
    await write(link.ceph, io, nameObject(name), 'take a name', [createNewObject(link.ceph), setId]);
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(EEXIST)) throw error;
    if ((await unlessAbsent(readImageId(place, name))) === id) return;
    throw refusalError('BERTH_IMAGE_EXISTS', { image: specOf(at, name) });
  }
}

/** True where the directory calls it `to` now. The class compares name and id before it changes either. */
async function moveEntry(place: OpenPool, id: string, from: string, to: string): Promise<boolean> {
  const { link, io } = place;
  const input = new Encoder().bytes(from).bytes(to).bytes(id);
  try {
    await write(link.ceph, io, DIRECTORY, 'rename in the directory', [
      writeClass(link.ceph, rbdClass('dir_rename_image', input)),
    ]);
    return true;
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(ENOENT, ESTALE)) throw error;
    return (await readNameById(place, id)) === to;
  }
}

/** Remove a name that is still this image's: in the same operation it is seen whose it is. */
async function dropName({ link, io }: OpenPool, id: string, name: string): Promise<void> {
  const steps = [mustContain(link.ceph, idAsStored(id)), removeObject(link.ceph)];
  try {
    await write(link.ceph, io, nameObject(name), 'drop a name', steps);
  } catch (error) {
    if (!(error instanceof CephErrno) || !(error.is(ENOENT) || isOtherContent(error))) throw error;
  }
}
