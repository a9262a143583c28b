/** A size as a person reads it. */

const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const;

/** As a claim would ask for it: `10Gi`; bytes where it is no whole number of a unit of at least 1024. */
export function sizeText(bytes: bigint): string {
  let [size, unit] = [bytes, 0];
  while (size > 0n && size % 1024n === 0n && unit < UNITS.length - 1) [size, unit] = [size / 1024n, unit + 1];
  return `${size}${UNITS[unit] ?? ''}`;
}
