/** Volume handles: what is written can be read back, what is not ours is not read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatVolumeId,
  imageSpec,
  isClusterName,
  isPlaceName,
  MAX_ID_BYTES,
  parseVolumeId,
} from '../../../src/model/volume-id.js';

const cluster = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$/);
const part = fc.stringMatching(/^[A-Za-z0-9._][A-Za-z0-9._-]{0,20}$/).filter((text) => text !== '.' && text !== '..');
const id = fc.record({ cluster, pool: part, namespace: fc.oneof(fc.constant(''), part), image: part });

describe('a volume handle', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(id, (one) => {
        expect(parseVolumeId(formatVolumeId(one))).toEqual(one);
      }),
    );
  });

  it('means one place only: two places never share a handle', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b));
        expect(formatVolumeId(a)).not.toBe(formatVolumeId(b));
      }),
    );
  });

  it('is written back as it was read, whatever text could be read at all', () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(part, fc.string()), { maxLength: 5 }).map((a) => a.join('/')),
    );
    fc.assert(
      fc.property(text, (one) => {
        const read = parseVolumeId(one);
        if (read !== undefined) expect(formatVolumeId(read)).toBe(one);
      }),
    );
  });

  it('has at most 128 bytes', () => {
    const at = { cluster: 'c', pool: 'p', namespace: '' };
    const longest = { ...at, image: 'i'.repeat(MAX_ID_BYTES - 4) };
    expect(formatVolumeId(longest)).toHaveLength(128);
    expect(parseVolumeId(formatVolumeId(longest))).toEqual(longest);
    const longer = { ...at, image: 'i'.repeat(MAX_ID_BYTES - 3) };
    expect(() => formatVolumeId(longer)).toThrow(/BERTH_FIELD_INVALID: volume id: .* longer than 128 bytes/);
    expect(parseVolumeId(`c/p/${longer.image}`)).toBeUndefined();
  });

  it.each([
    ...['', 'a', 'a/b', '/', '//', '///', 'a/b/', '/b/c', 'a//c', 'a/b/c/', 'a/b//d', 'a/b/c/d/e', 'fake-vol-id-1'],
    ...['a/b/c@snap', 'a/b/c d', 'a/b/c\n', 'a/b/c\0', '-a/b/c', 'a/-b/c', 'a/b/--all', 'a/b/é', 'é/b/c', '.a/b/c'],
    ...['a/../c', 'a/b/..', 'a/b/.', 'a/./c', 'a/b/../d', `${'a'.repeat(37)}/b/c`],
  ])('is not %j', (text) => {
    expect(parseVolumeId(text)).toBeUndefined();
  });
});

describe('names', () => {
  it('of places may be what Ceph itself uses, but nothing that a command line or a path reads otherwise', () => {
    for (const name of ['rbd', '.mgr', 'my.pool_1', 'a-b', '...', '_x']) expect(isPlaceName(name)).toBe(true);
    for (const name of ['', '.', '..', '-a', '--pool', 'a/b', 'a b', 'a@b', 'a\n', 'ä']) {
      expect(isPlaceName(name)).toBe(false);
    }
  });

  it('of clusters have at most 36 characters, enough for an fsid', () => {
    for (const name of ['a', 'prod.eu-1', '6a0f9f4e-0000-4000-8000-000000000000'])
      expect(isClusterName(name)).toBe(true);
    for (const name of ['', '.a', '-a', 'a/b', 'x'.repeat(37)]) expect(isClusterName(name)).toBe(false);
  });

  it('are spelt for the rbd command with the namespace only where there is one', () => {
    expect(imageSpec({ pool: 'p', namespace: '', image: 'i' })).toBe('p/i');
    expect(imageSpec({ pool: 'p', namespace: 'n', image: 'i' })).toBe('p/n/i');
  });
});
