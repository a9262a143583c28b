/** Byte counts as people write them in a StorageClass: `4194304`, `4Mi`, `64k`. */

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  K: 2 ** 10,
  Ki: 2 ** 10,
  M: 2 ** 20,
  Mi: 2 ** 20,
  G: 2 ** 30,
  Gi: 2 ** 30,
};

/**
 * Bytes, or undefined where the text is no whole number of them. `M` and `G` are binary, as the rbd command reads them.
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,12})(|k|K|Ki|M|Mi|G|Gi)$/.exec(text);
  const [, digits, unit] = match ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
