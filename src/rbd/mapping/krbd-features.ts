/** RBD feature names as bits, to compare an image with what the kernel says it can do before anything is mapped. */

/** src/include/rbd/features.h */
const BITS: Readonly<Record<string, bigint>> = {
  layering: 1n << 0n,
  striping: 1n << 1n,
  'exclusive-lock': 1n << 2n,
  'object-map': 1n << 3n,
  'fast-diff': 1n << 4n,
  'deep-flatten': 1n << 5n,
  journaling: 1n << 6n,
  'data-pool': 1n << 7n,
  operations: 1n << 8n,
  migrating: 1n << 9n,
  'non-primary': 1n << 10n,
  'dirty-cache': 1n << 11n,
};

/** Those of `features` that are not among the kernel's bits (`0x1bf`); a name that nobody knows is among none. */
export function unsupportedFeatures(features: readonly string[], supported: bigint): readonly string[] {
  return features.filter((name) => ((BITS[name] ?? 0n) & supported) === 0n);
}
