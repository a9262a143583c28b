/** RBD feature names as bits, to compare an image with what the kernel says it can do before anything is mapped. */

/** In the order of their bits (src/include/rbd/features.h). */
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

/** Those of `features` that are not among the kernel's bits (`0x1bf`); a name that nobody knows is among none. */
export function unsupportedFeatures(features: readonly string[], supported: bigint): readonly string[] {
  return features.filter((name) => ((BITS.get(name) ?? 0n) & supported) === 0n);
}
