/** Makes an image that stands on a snapshot, which may be in another pool or namespace, and lets it stand alone. */
import type { CloneSource, NewClone } from '../../../port/clone-port.js';
import { check, EEXIST, EINVAL, ENOENT, ENOSYS, refusalError, unlessAbsent } from '../../ceph-errors.js';
import { readHead, readImageId } from '../image-header.js';
import { setShape, withOptions } from '../images.js';
import { checkOtherPool, specOf } from '../open-pool.js';
import type { OpenPool } from '../open-pool.js';
import { refuseDataPool, refuseErasureCoded } from '../pool-stats.js';

/** RBD_IMAGE_OPTION_CLONE_FORMAT of librbd.h: format 2 needs no protected snapshot. */
const CLONE_FORMAT = 12;

/** The id. @throws BERTH_IMAGE_EXISTS, BERTH_IMAGE_NOT_FOUND of the source, BERTH_SOURCE_UNFIT, BERTH_POOL_UNFIT */
export async function cloneImage(place: OpenPool, name: string, from: CloneSource, spec: NewClone): Promise<string> {
  const { link, io, at } = place;
  await refuseErasureCoded(place);
  if (spec.dataPool !== undefined) await refuseDataPool(place, spec.dataPool);
  const parent = await openParent(place, from);
  const result = await withOptions(place, async (options) => {
    const { rbd, rados } = link.ceph;
    setShape(place, options, { ...spec, ...stripesOf(spec) });
    check(rbd.setNumber.now(options, CLONE_FORMAT, 2n), 'set clone format');
    const pool = spec.dataPool === undefined ? BigInt(rados.poolIdOf.now(io)) : undefined;
    return link.poolCheck.duringCreate(pool, () =>
      rbd.clone.later(parent.io, from.image, from.snapshot, io, name, options),
    );
  });
  if (result === -EEXIST) throw refusalError('BERTH_IMAGE_EXISTS', { image: specOf(at, name) });
  if (result === -ENOENT) await explainAbsence(place, parent, from, spec);
  if (result === -ENOSYS || result === -EINVAL) await refuseWithoutLayering(parent, from);
  check(result, `clone ${specOf(from, `${from.image}@${from.snapshot}`)}`);
  return readImageId(place, name);
}

/** librbd would take those of the parent, which do not fit objects of another size. */
const stripesOf = ({
  objectSizeBytes,
  stripeUnitBytes,
  stripeCount,
}: NewClone): Pick<NewClone, 'stripeUnitBytes' | 'stripeCount'> =>
  objectSizeBytes === undefined || stripeUnitBytes !== undefined
    ? { stripeUnitBytes, stripeCount }
    : { stripeUnitBytes: objectSizeBytes, stripeCount: 1 };

async function openParent(place: OpenPool, { pool, namespace }: CloneSource): Promise<OpenPool> {
  const at = { ...place.at, pool, namespace };
  return { ...place, at, io: await place.link.pool(at) };
}

async function explainAbsence(place: OpenPool, parent: OpenPool, from: CloneSource, spec: NewClone): Promise<void> {
  const id = await unlessAbsent(readImageId(parent, from.image));
  if (id === undefined) await parent.link.checkPool(parent.at);
  else await place.link.checkPool(place.at);
  if (spec.dataPool !== undefined) await checkOtherPool(place, spec.dataPool);
  throw refusalError('BERTH_IMAGE_NOT_FOUND', { image: specOf(from, `${from.image}@${from.snapshot}`) });
}

/** librbd says ENOSYS, which other faults do as well. @throws BERTH_SOURCE_UNFIT */
async function refuseWithoutLayering(parent: OpenPool, from: CloneSource): Promise<void> {
  const head = await readHead(parent, from.image);
  if (head?.features.includes('layering') !== false) return;
  throw refusalError('BERTH_SOURCE_UNFIT', {
    source: specOf(from, `${from.image}@${from.snapshot}`),
    why: 'its image has no feature layering, without which nothing can stand on it',
    todo: 'copy the data, or take a source of a class with the image feature layering',
  });
}
