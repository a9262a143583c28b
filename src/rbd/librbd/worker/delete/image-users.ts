/** Who has an image open, and what else keeps it from being removed: only an image that is in use is opened for it. */
import type { ImageUsers } from '../../../port/delete-port.js';
import type { Watcher } from '../../../port/port-values.js';
import { check, CephErrno, ETIMEDOUT, ENOENT } from '../../ceph-errors.js';
import { Decoder } from '../../foreign/ceph-encoding.js';
import { bytesAt, withCells } from '../../foreign/c-memory.js';
import { header, PARENT, parentSpecIn, rbdClass, SNAPSHOTS, snapshotContextIn } from '../image-header.js';
import { listWatchers, refuseGrouped } from '../images.js';
import { callClasses } from '../object-operation.js';
import { watchersOf, withImage } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';

/**
 * How long a watcher may take to answer, in ms. One that does not is alive or dead: it is asked for by an open then.
 */
const NOTIFY_MS = 1_000n;

/** @throws CephErrno ENOENT; BERTH_IMAGE_IN_GROUP */
export async function usersOf(place: OpenPool, name: string, id: string): Promise<ImageUsers> {
  const { link, io } = place;
  // First what can be given up after a while, so that the notice does not meet an OSD that hangs: it waits for ever.
  const [context, group, kin] = await callClasses(link.ceph, io, header(id), [
    SNAPSHOTS,
    rbdClass('image_group_get'),
    PARENT,
  ]);
  if (groupIn(group ?? Buffer.alloc(0)) !== '') await refuseGrouped(place, name);
  const watchers = (await isWatched(place, id)) ? await listWatchers(place, name) : [];
  return { watchers, snapshots: snapshotContextIn(context).ids.length, parentId: parentSpecIn(kin)?.imageId };
}

/** @throws CephErrno ENOENT */
export async function watchersById(place: OpenPool, id: string): Promise<readonly Watcher[]> {
  // As above: this can be given up, and the notice cannot.
  await callClasses(place.link.ceph, place.io, header(id), [SNAPSHOTS]);
  if (!(await isWatched(place, id))) return [];
  return withImage(place, { id }, 'read-only', (image) => watchersOf(place, image));
}

/** cls::rbd::GroupSpec: pool_id, group_id; the latter is empty where it is in none. */
function groupIn(answer: Buffer): string {
  const spec = new Decoder(answer).versioned();
  spec.u64();
  return spec.text();
}

/**
 * Does anybody watch the header? An empty notice means "the header has changed" to librbd and to the kernel, who read
 * it again and answer; the OSD answers at once where nobody watches.
 */
function isWatched({ link: { ceph }, io }: OpenPool, id: string): Promise<boolean> {
  return withCells(2, async (cells) => {
    try {
      const result = await ceph.rados.notify.later(io, header(id), '', 0, NOTIFY_MS, cells.at(0), cells.at(1));
      if (result === -ETIMEDOUT) return true;
      if (result === -ENOENT) throw new CephErrno(result, 'notify');
      check(result, 'notify');
      return hasAnswers(bytesAt(cells.u64(0), Number(cells.u64(1))));
    } finally {
      ceph.rados.freeBuffer.now(cells.u64(0));
    }
  });
}

/** map<pair<u64, u64>, bufferlist> of who answered, then set<pair<u64, u64>> of who did not. */
function hasAnswers(reply: Buffer): boolean {
  if (reply.length === 0) return false;
  const decoder = new Decoder(reply);
  return decoder.u32() > 0 || decoder.u32() > 0;
}
