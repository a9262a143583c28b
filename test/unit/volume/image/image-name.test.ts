/** Image names: one for each volume name, always usable, always in a handle. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatVolumeId, isPlaceName, parseVolumeId } from '../../../../src/model/volume-id.js';
import { DEFAULT_PREFIX, imageName } from '../../../../src/volume/image/image-name.js';

/** RBD_MAX_IMAGE_NAME_SIZE of librbd. */
const LONGEST = 96;
const prefix = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,23}$/);
const name = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,60}$/),
  fc.uuid().map((one) => `pvc-${one}`),
  // What an adversary would try: names that look like our own derived ones.
  fc.stringMatching(/^x\.[0-9a-f]{32}$/),
);

describe('an image name', () => {
  it('is different for every one of 10,000 names, and the same for the same', () => {
    const names = new Set(
      fc.sample(name, { numRuns: 10_000, seed: 1 }).filter((one) => Buffer.from(one).toString() === one),
    );
    expect(names.size).toBeGreaterThan(7000);
    expect(new Set([...names].map((one) => imageName('p-', one))).size).toBe(names.size);
    for (const one of names) expect(imageName('p-', one)).toBe(imageName('p-', one));
  });

  it('begins with the prefix, is a name for RBD and the command line, and fits a handle', () => {
    fc.assert(
      fc.property(prefix, name, (before, one) => {
        const image = imageName(before, one);
        expect(image.startsWith(before)).toBe(true);
        expect(image.length).toBeLessThanOrEqual(LONGEST);
        expect(isPlaceName(image)).toBe(true);
        const id = { cluster: 'c', pool: 'p', namespace: 'n', image };
        expect(parseVolumeId(formatVolumeId(id))).toEqual(id);
      }),
    );
  });

  it('stays readable for what Kubernetes names', () => {
    const uuid = 'pvc-0a1b2c3d-0000-4000-8000-000000000000';
    expect(imageName(DEFAULT_PREFIX, uuid)).toBe(`berth-${uuid}`);
  });

  it('tells names apart that look the same or differ in case only', () => {
    const names = ['é', 'e\u0301', 'É', 'a', 'A', 'а', ' a', 'a ', 'a\n', '.', '..', '-a', '_a', 'x'.repeat(128)];
    expect(new Set(names.map((one) => imageName('', one))).size).toBe(names.length);
  });
});
