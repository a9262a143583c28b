/** RBD image features: the names of the `rbd feature` command and the bits of the image header. */

const BITS: ReadonlyMap<string, bigint> = new Map(
  [
    'layering',
    'striping',
    'exclusive-lock',
    'object-map',
    'fast-diff',
    'deep-flatten',
    'journaling',
    'data-pool',
    'operations',
    'migrating',
    'non-primary',
    'dirty-cache',
  ].map((name, bit) => [name, 1n << BigInt(bit)]),
);

export const FAST_DIFF = 1n << 4n;

/** The bits of these names; undefined where one is not known. */
export function featureBits(names: readonly string[]): bigint | undefined {
  let bits = 0n;
  for (const name of names) {
    const bit = BITS.get(name);
    if (bit === undefined) return undefined;
    bits |= bit;
  }
  return bits;
}

/** The names of these bits; one that a newer Ceph invented reads `bit-<n>`. */
export function featureNames(bits: bigint): string[] {
  const names = [...BITS].filter(([, bit]) => (bits & bit) !== 0n).map(([name]) => name);
  for (let n = BITS.size; n < 64; n++) if ((bits & (1n << BigInt(n))) !== 0n) names.push(`bit-${n}`);
  return names;
}
