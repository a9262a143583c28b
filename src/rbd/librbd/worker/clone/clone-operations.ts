/** The operations of the port on clones. */
import type { ClonePort, MetadataChange } from '../../../port/clone-port.js';
import type { Deadline } from '../../../../model/deadline.js';
import { CephErrno, EEXIST } from '../../ceph-errors.js';
import { Encoder } from '../../foreign/ceph-encoding.js';
import type { WirePool, WorkerOperation } from '../../worker-messages.js';
import { isUnwritten } from '../emptiness.js';
import { header, metadataKey, rbdClass } from '../image-header.js';
import { mustEqual, mustExist, removeEntries, unlessChanged, write, writeClass } from '../object-operation.js';
import type { OnImage, OpenPool } from '../open-pool.js';
import { cloneImage } from './clone-image.js';
import { readClone, readParent } from './clone-parent.js';
import { copyUp } from './copy-up.js';
import { cutLink, forgetClone } from './cut-link.js';
import { readParentExtents } from './parent-extents.js';

type OnHeader = <T>(at: WirePool, id: string, deadline: Deadline, work: (place: OpenPool) => Promise<T>) => Promise<T>;
/** Without what an ENOENT of one image would mean: two are at work. */
type OnPool = <T>(at: WirePool, deadline: Deadline, what: string, work: (place: OpenPool) => Promise<T>) => Promise<T>;

type CloneOperations = { readonly [Op in keyof ClonePort]: WorkerOperation<Op> };

export const cloneOperations = (onImage: OnImage, onHeader: OnHeader, onPool: OnPool): CloneOperations => ({
  cloneImage: (at, from, spec, deadline) =>
    onPool(at, deadline, `clone ${at.image}`, (place) => cloneImage(place, at.image, from, spec)),
  parentById: (at, id, deadline) => onPool(at, deadline, `parent of id ${id}`, (place) => readParent(place, id)),
  cloneById: (at, id, deadline) => onPool(at, deadline, `look at id ${id}`, (place) => readClone(place, id)),
  trashSnapshot: (at, id, snapshot, deadline) =>
    onHeader(at, id, deadline, (place) => trashSnapshot(place, id, snapshot)),
  isUnwritten: (at, deadline) => onImage(at, deadline, 'look into', (place) => isUnwritten(place, at.image)),
  changeMetadata: (at, id, change, deadline) =>
    onHeader(at, id, deadline, (place) => changeMetadata(place, id, change)),
  parentExtents: (at, id, from, deadline) =>
    onPool(at, deadline, `list extents of id ${id}`, (place) => readParentExtents(place, id, from)),
  copyUp: (at, id, extents, known, ms, deadline) =>
    onPool(at, deadline, `copy data into id ${id}`, (place) => copyUp(place, id, extents, known, ms)),
  cutLink: (at, id, known, deadline) =>
    onPool(at, deadline, `let id ${id} stand alone`, (place) => cutLink(place, id, known)),
  forgetClone: (at, id, parent, deadline) =>
    onPool(at, deadline, `forget clone id ${id}`, (place) => forgetClone(place, id, parent)),
});

/** One that is there already is a success. @throws CephErrno ENOENT */
async function trashSnapshot({ link: { ceph }, io }: OpenPool, id: string, snapshot: bigint): Promise<void> {
  const call = rbdClass('snapshot_trash_add', new Encoder().u64(snapshot));
  try {
    await write(ceph, io, header(id), 'trash snapshot', [mustExist(ceph), writeClass(ceph, call)]);
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(EEXIST)) throw error;
  }
}

/** @throws CephErrno ENOENT where the image is gone */
function changeMetadata(
  { link: { ceph }, io }: OpenPool,
  id: string,
  { unless, set, remove }: MetadataChange,
): Promise<boolean> {
  const change = rbdClass('metadata_set', new Encoder().map(set));
  const removal = remove.length === 0 ? [] : [removeEntries(ceph, ...remove.map(metadataKey))];
  return unlessChanged(() =>
    write(ceph, io, header(id), 'change metadata', [
      mustExist(ceph),
      mustEqual(ceph, metadataKey(unless.key), unless.differsFrom ?? ''),
      ...(set.size === 0 ? [] : [writeClass(ceph, change)]),
      ...removal,
    ]),
  );
}
