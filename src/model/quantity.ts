/** Quantities as people write them in a StorageClass: bytes (`4194304`, `4Mi`, `64k`) and times (`120s`, `5m`). */

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

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600 };

/** Seconds, or undefined where the text is no whole number of seconds, minutes (`5m`) or hours (`1h`). */
export function parseSeconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9})(|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Number(digits) * (SECONDS[unit] ?? 1);
}

/** Powers of what Kubernetes counts in: `10Gi` is binary, `10G` decimal, unlike in {@link parseBytes}. */
const POWERS = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** Bytes of a Kubernetes quantity such as `10Gi`, `1.5G` or `1048576`, rounded up; undefined for what is none. */
export function bytesOfQuantity(text: string): bigint | undefined {
  const [, digits, unit = ''] = /^(\d{1,19}(?:\.\d{1,9})?)(|[kMGTPE]|[KMGTPE]i)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const isBinary = unit.endsWith('i');
  const power = BigInt(POWERS.indexOf(isBinary ? unit.slice(0, 1).replace('K', 'k') : unit));
  const [whole = '0', fraction = ''] = digits.split('.');
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * (isBinary ? 1024n : 1000n) ** power;
  return (scaled + scale - 1n) / scale;
}
