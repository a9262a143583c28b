/** Snapshot handles: what is written can be read back, what is not ours is not read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_ID_BYTES, parseVolumeId } from '../../../../src/model/volume-id.js';
import { formatSnapshotId, parseSnapshotId } from '../../../../src/model/snapshot/snapshot-id.js';

const cluster = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$/);
const part = fc.stringMatching(/^[A-Za-z0-9._][A-Za-z0-9._-]{0,20}$/).filter((text) => text !== '.' && text !== '..');
const namespace = fc.oneof(fc.constant(''), part);
const imageId = fc.stringMatching(/^[0-9a-f]{12,14}$/);
const snapshotId = fc.bigInt({ min: 1n, max: 0xffff_ffff_ffff_fffdn });
const id = fc.record({ cluster, pool: part, namespace, imageId, snapshotId });

describe('a snapshot handle', () => {
  it('is read back as it was written, and is never the handle of a volume', () => {
    fc.assert(
      fc.property(id, (one) => {
        expect(parseSnapshotId(formatSnapshotId(one))).toEqual(one);
        expect(parseVolumeId(formatSnapshotId(one))).toBeUndefined();
      }),
    );
  });

  it('is written back as it was read, whatever text could be read at all', () => {
    const end = fc.tuple(fc.oneof(imageId, fc.string()), fc.oneof(fc.nat().map(String), fc.string()));
    const text = fc
      .tuple(fc.array(fc.oneof(part, fc.string()), { maxLength: 4 }), end)
      .map(([parts, [image, number]]) => [...parts, `${image}@${number}`].join('/'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), text), (one) => {
        const read = parseSnapshotId(one);
        if (read !== undefined) expect(formatSnapshotId(read)).toBe(one);
      }),
    );
  });

  it('has at most 128 bytes', () => {
    const at = { cluster: 'c', namespace: '', imageId: '10de7a1c3f42', snapshotId: 4n };
    const longest = { ...at, pool: 'p'.repeat(MAX_ID_BYTES - 'c//10de7a1c3f42@4'.length) };
    expect(formatSnapshotId(longest)).toHaveLength(128);
    expect(parseSnapshotId(formatSnapshotId(longest))).toEqual(longest);
    const longer = { ...longest, pool: `${longest.pool}p` };
    expect(() => formatSnapshotId(longer)).toThrow(/BERTH_FIELD_INVALID: snapshot id: .* longer than 128 bytes/);
    expect(parseSnapshotId(`c/${longer.pool}/10de7a1c3f42@4`)).toBeUndefined();
  });

  it.each([
    ...['', 'x', '@', 'a@1', 'c/p', 'c/p/img', 'c/p/img@', 'c/p/@4', 'c/p/abc@0', 'c/p/abc@04', 'c/p/abc@-4'],
    ...['c/p/abc@+4', 'c/p/abc@4.0', 'c/p/abc@4 ', 'c/p/abc@4\n', 'c/p/abc@0x4', 'c/p/abc@4@5', 'c/p/n/m/abc@4'],
    ...['c/p//abc@4', '/p/abc@4', 'c//abc@4', 'c/../abc@4', 'c/p/ABC@4', 'c/p/ж@4', '../../etc/passwd@1'],
    ...['c/p/abc@18446744073709551614', 'c/p/abc@18446744073709551615', 'c/p/abc@18446744073709551616'],
    ...['non-existing-snapshot-id', 'c/p/abc@99999999999999999999'],
  ])('is none of ours: %j', (text) => {
    expect(parseSnapshotId(text)).toBeUndefined();
  });
});
