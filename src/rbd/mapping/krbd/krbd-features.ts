/** An image's features against what the kernel says it can do, before anything is mapped. */
import { featureBits } from '../../feature-bits.js';

/** Those of `features` that are not among the kernel's bits (`0x1bf`); a name that nobody knows is among none. */
export function unsupportedFeatures(features: readonly string[], supported: bigint): readonly string[] {
  return features.filter((name) => ((featureBits([name]) ?? 0n) & supported) === 0n);
}
