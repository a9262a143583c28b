/** RBD image features that Berth creates volumes with, and which of them need which. */

/**
 * RBD's own default (61): the exclusive lock lets a holder be fenced,
 * the object map lets emptiness and deletion be cheap.
 */
export const DEFAULT_FEATURES: readonly string[] = [
  'layering',
  'exclusive-lock',
  'object-map',
  'fast-diff',
  'deep-flatten',
];

const NEEDS: Readonly<Record<string, readonly string[]>> = {
  layering: [],
  striping: [],
  'exclusive-lock': [],
  'object-map': ['exclusive-lock'],
  'fast-diff': ['object-map'],
  'deep-flatten': [],
  journaling: ['exclusive-lock'],
};

/** Why this set cannot be created; undefined where it can. */
export function whyNotFeatures(names: readonly string[]): string | undefined {
  for (const name of names) {
    const needs = Object.hasOwn(NEEDS, name) ? NEEDS[name] : undefined;
    if (needs === undefined) return `"${name}" is none of ${Object.keys(NEEDS).join(', ')}`;
    const missing = needs.find((one) => !names.includes(one));
    if (missing !== undefined) return `${name} needs ${missing}`;
  }
  return undefined;
}
