/** What has to be known of the snapshots between two of an image, before librbd's diff of them is believed. */
import type { SnapshotSpan, SpanEnd, SpanFacts } from '../../../port/diff-port.js';
import type { Image } from '../../foreign/bindings.js';
import { CephErrno, check, ENOENT } from '../../ceph-errors.js';
import { Decoder, Encoder } from '../../foreign/ceph-encoding.js';
import { header, rbdClass, unlessImageAbsent } from '../image-header.js';
import { callClasses } from '../object-operation.js';
import { numberOf, withSnapshot } from '../open/open-image.js';
import type { OpenPool } from '../open-pool.js';
import { readSnapshots } from '../snapshot/read-snapshots.js';

/** Flags read in one operation. */
const PAGE = 64;

/** Undefined where image or snapshot is gone. */
export const readSpanFacts = (
  place: OpenPool,
  { imageId, base, target }: SnapshotSpan,
): Promise<SpanFacts | undefined> =>
  unlessImageAbsent(place, () =>
    withSnapshot(place, { id: imageId }, target, async (image) => {
      const ofTarget = await endOf(place, image);
      const { tellsParents } = place.link.ceph;
      if (base === undefined) {
        const { sizeBytes: leastBytes } = ofTarget;
        return { target: ofTarget, base: undefined, leastBytes, isTracked: true, tellsParents };
      }
      check(await place.link.ceph.rbd.goToSnapshot.later(image, base), `look at snapshot ${base}`);
      const ofBase = await endOf(place, image);
      const { head, snapshots } = (await readSnapshots(place, imageId)) ?? goneError(imageId);
      const within = snapshots.filter(({ id }) => base <= id && id <= target);
      const leastBytes = within.reduce(
        (least, { sizeBytes }) => (sizeBytes < least ? sizeBytes : least),
        ofBase.sizeBytes,
      );
      const hasFeature = head.features.includes('fast-diff') && head.features.includes('object-map');
      const isTracked =
        hasFeature &&
        (await haveNoFlags(
          place,
          imageId,
          within.map(({ id }) => id),
        ));
      return { target: ofTarget, base: ofBase, leastBytes, isTracked, tellsParents };
    }),
  );

async function endOf({ link: { ceph } }: OpenPool, image: Image): Promise<SpanEnd> {
  const sizeBytes = await numberOf(ceph.rbd.size, image, 'get size');
  return { sizeBytes, parentBytes: await numberOf(ceph.rbd.overlap, image, 'get overlap') };
}

/** The flags of a snapshot say nothing but that its object map or its fast-diff is not to be believed. */
async function haveNoFlags({ link, io }: OpenPool, imageId: string, ids: readonly bigint[]): Promise<boolean> {
  for (let from = 0; from < ids.length; from += PAGE) {
    const calls = ids.slice(from, from + PAGE).map((id) => rbdClass('get_flags', new Encoder().u64(id)));
    const answers = await callClasses(link.ceph, io, header(imageId), calls);
    if (answers.some((answer) => new Decoder(answer).u64() !== 0n)) return false;
  }
  return true;
}

function goneError(imageId: string): never {
  throw new CephErrno(-ENOENT, `look at image id ${imageId}`);
}
