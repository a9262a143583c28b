/** What changed between snapshots of the fake's images: nothing, or their first object. */
import type { ExtentBatch, SnapshotSpan, SpanFacts } from '../../src/rbd/port/diff-port.js';
import type { ImageSnapshots, Snapshot } from '../../src/rbd/port/snapshot-port.js';
import { headOf, type MemoryImage } from './memory-image.js';
import { snapshotsOf, wasWrittenAt } from './memory-snapshots.js';

const OBJECT_BYTES = 4n * 1024n ** 2n;

/** Undefined where one of them is not there. */
function endsOf(image: MemoryImage | undefined, { base, target }: SnapshotSpan) {
  if (image === undefined) return undefined;
  const cut = (wanted: bigint): Snapshot | undefined => snapshotsOf(image).find(({ id }) => id === wanted);
  const [from, to] = [base === undefined ? undefined : cut(base), cut(target)];
  return to === undefined || (base !== undefined && from === undefined) ? undefined : { image, from, to };
}

export function spanFactsOf(which: MemoryImage | undefined, span: SnapshotSpan): SpanFacts | undefined {
  const ends = endsOf(which, span);
  if (ends === undefined) return undefined;
  const end = ({ sizeBytes }: Snapshot) => ({ sizeBytes, parentBytes: 0n });
  const { image, from, to } = ends;
  const between = snapshotsOf(image).filter(({ id }) => (from ?? to).id <= id && id <= to.id);
  const leastBytes = between.map(({ sizeBytes }) => sizeBytes).reduce((a, b) => (a < b ? a : b));
  const isTracked = from === undefined || image.spec.features.includes('fast-diff');
  return { target: end(to), base: from && end(from), leastBytes, isTracked, tellsParents: true };
}

export function extentsOf(image: MemoryImage | undefined, span: SnapshotSpan, at: bigint): ExtentBatch | undefined {
  const ends = endsOf(image, span);
  if (ends === undefined) return undefined;
  const { from, to } = ends;
  const isThere = wasWrittenAt(to) && (from === undefined || !wasWrittenAt(from)) && at < OBJECT_BYTES;
  const bytes = to.sizeBytes < OBJECT_BYTES ? to.sizeBytes : OBJECT_BYTES;
  return { extents: BigUint64Array.from(isThere ? [0n, bytes] : []), next: undefined };
}

export const allSnapshotsOf = (image: MemoryImage | undefined, fsid: string): ImageSnapshots | undefined =>
  image && { head: headOf(image, fsid), snapshots: snapshotsOf(image) };
