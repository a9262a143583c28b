/**
 * Which bytes a snapshot has, or changed since an earlier one: read part after part as the caller takes them, so that
 * little of it is in memory however large the volume is, and nothing runs in Ceph when he has gone.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { RbdPort } from '../../../rbd/port.js';
import { cutRanges, joinRanges, type ByteRange } from './byte-range.js';
import { findSpan, snapshotGoneError, type FoundSpan, type SpanAsked, type SpanParts } from './find-span.js';
import { lostRanges } from './lost-ranges.js';
import type { Turns } from './turns.js';

/** A part ends with so many extents: 64 KiB of them. */
const MOST = 4_096;
/** What one part may take, in ms: it is made to take a second, and an object that is away keeps it waiting. */
const PART_MS = 300_000;

export interface ReadBlocksParts extends SpanParts {
  readonly longWork: SpanParts['longWork'] & Pick<RbdPort, 'readExtents'>;
  /** How many parts are read at a time, whoever they are for: a stream whose reader is slow keeps none of them. */
  readonly blockTurns: Pick<Turns, 'run'>;
}

export interface BlocksAsked extends SpanAsked {
  /** In bytes; what is before it was told already. */
  readonly startingOffset: bigint;
}

export interface FoundBlocks {
  /** The size of the target. */
  readonly capacityBytes: bigint;
  /** Ascending, none touches the next within a part; the first begins no earlier than the offset that was asked for. */
  readonly parts: AsyncIterable<readonly ByteRange[]>;
}

/** Errors of findSpan, and BERTH_OFFSET_OUT_OF_RANGE. Reading a part may say BERTH_SNAPSHOT_NOT_FOUND as well. */
export async function readBlocks(parts: ReadBlocksParts, asked: BlocksAsked, deadline: Deadline): Promise<FoundBlocks> {
  const { startingOffset: offset } = asked;
  if (offset < 0n) throw berthError('BERTH_OFFSET_OUT_OF_RANGE', { offset, target: asked.target });
  const found = await findSpan(parts, asked, deadline);
  const capacityBytes = found.facts.target.sizeBytes;
  if (offset > capacityBytes) throw berthError('BERTH_OFFSET_OUT_OF_RANGE', { offset, target: asked.target });
  return { capacityBytes, parts: readParts(parts, asked, found, deadline) };
}

async function* readParts(
  { longWork, blockTurns }: ReadBlocksParts,
  { startingOffset, target }: BlocksAsked,
  { at, span, facts }: FoundSpan,
  deadline: Deadline,
): AsyncGenerator<readonly ByteRange[]> {
  const lost = lostRanges(facts);
  const { sizeBytes } = facts.target;
  for (let from: bigint | undefined = startingOffset; from !== undefined && from < sizeBytes; ) {
    const begin: bigint = from;
    const part = await blockTurns.run(() => longWork.readExtents(at, span, begin, MOST, deadline.within(PART_MS)));
    if (part === undefined) throw snapshotGoneError(target);
    const bounds = { from: begin, to: part.next ?? sizeBytes };
    yield cutRanges(joinRanges(rangesOf(part.extents), lost), bounds);
    from = part.next;
  }
}

const rangesOf = (extents: BigUint64Array): ByteRange[] =>
  Array.from({ length: extents.length / 2 }, (_, n) => {
    const from = extents[2 * n] ?? 0n;
    return { from, to: from + (extents[2 * n + 1] ?? 0n) };
  });
