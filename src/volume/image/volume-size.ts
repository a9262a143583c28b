/** How large a volume becomes: both ends of the asked range honoured, rounded up only as far as the limit allows. */
import { berthError } from '../../model/errors.js';

export interface SizeRange {
  /** Bytes; zero means that the caller left it open. */
  readonly required: bigint;
  readonly limit: bigint;
}

const MiB = 1024n * 1024n;
/** A block device counts in sectors: an image of another size would lose its tail. */
export const SECTOR = 512n;
/** CSI carries sizes as int64. */
const LARGEST = 2n ** 63n - 1n;
/** What a volume gets when nobody says. */
export const DEFAULT_SIZE = 1024n * MiB;

const up = (size: bigint, unit: bigint): bigint => ((size + unit - 1n) / unit) * unit;

/**
 * BERTH_FIELD_INVALID for a range that says nothing or is negative,
 * BERTH_SIZE_OUT_OF_RANGE for one that contradicts itself.
 */
export function checkRange(range: SizeRange | undefined): void {
  if (range === undefined) return;
  const { required, limit } = range;
  if (required < 0n || limit < 0n)
    throw berthError('BERTH_FIELD_INVALID', { field: 'capacity_range', why: 'a size below zero' });
  if (required === 0n && limit === 0n) {
    throw berthError('BERTH_FIELD_INVALID', {
      field: 'capacity_range',
      why: 'neither required_bytes nor limit_bytes is set',
    });
  }
  if (limit > 0n && required > limit) {
    throw berthError('BERTH_SIZE_OUT_OF_RANGE', {
      size: required,
      why: `required_bytes is above limit_bytes ${limit}`,
    });
  }
}

/**
 * Choose a size in bytes: at least `minimum`, whole MiB where the limit allows, else whole sectors.
 * BERTH_SIZE_OUT_OF_RANGE where no size fits.
 */
export function chooseSize(range: SizeRange | undefined, minimum: bigint): bigint {
  checkRange(range);
  const limit = range === undefined || range.limit === 0n ? LARGEST : range.limit;
  const asked = range === undefined || range.required === 0n ? smaller(DEFAULT_SIZE, limit) : range.required;
  const wanted = asked < minimum ? minimum : asked;
  const fits = [up(wanted, MiB), up(wanted, SECTOR)].find((size) => size <= limit);
  if (fits !== undefined) return fits;
  // Nothing was required, only a ceiling that is no whole number of sectors: stay below it.
  const below = (limit / SECTOR) * SECTOR;
  if (range?.required === 0n && below >= minimum && below > 0n) return below;
  throw berthError('BERTH_SIZE_OUT_OF_RANGE', {
    size: wanted,
    why: `no multiple of ${SECTOR} bytes of at least ${wanted} fits below ${limit}`,
  });
}

/**
 * Choose the size of a volume that begins as a copy: its source's, or larger where more is asked for.
 * BERTH_SIZE_OUT_OF_RANGE for one that is to be smaller; a range that merely begins below has the source's size in it.
 */
export function chooseCopySize(range: SizeRange | undefined, source: bigint): bigint {
  checkRange(range);
  if (range === undefined) return source;
  const { required, limit } = range;
  const isSmaller = limit === 0n ? required < source : limit < source;
  if (isSmaller) {
    const why = `the source has ${source} bytes, and a copy is never smaller`;
    throw berthError('BERTH_SIZE_OUT_OF_RANGE', { size: limit === 0n ? required : limit, why });
  }
  return required <= source ? source : chooseSize(range, source);
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Does an existing volume of `size` bytes satisfy the range? */
export function satisfies(size: bigint, range: SizeRange | undefined): boolean {
  checkRange(range);
  if (range === undefined) return true;
  return size >= range.required && (range.limit === 0n || size <= range.limit);
}
