/** What mountinfo and sysfs tell of a filesystem that has had errors. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { whyFilesystemSick } from '../../../../src/host/filesystem/filesystem-health.js';
import { parseMountinfo } from '../../../../src/host/mount/mountinfo.js';

let sys: string;
beforeEach(async () => {
  sys = await mkdtemp(path.join(tmpdir(), 'berth-sick-'));
  await mkdir(path.join(sys, 'dev/block'), { recursive: true });
  await symlink('../../devices/rbd/0/block/rbd0', path.join(sys, 'dev/block/252:0'));
});
afterEach(() => rm(sys, { recursive: true }));

const mounted = (type: string, superOptions: string) =>
  parseMountinfo(`36 25 252:0 / /mnt rw - ${type} /dev/rbd0 ${superOptions}`)[0]!;
async function ext4(attributes: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(path.join(sys, 'fs/ext4/rbd0'), { recursive: true });
  for (const [name, text] of Object.entries(attributes))
    await writeFile(path.join(sys, 'fs/ext4/rbd0', name), `${text}\n`);
}

describe('a filesystem', () => {
  it.each<[string, string, boolean, RegExp | undefined]>([
    ['ext4', 'rw,stripe=16', false, undefined],
    ['xfs', 'rw,attr2', false, undefined],
    ['ext4', 'ro', true, undefined],
    ['ext4', 'ro', false, /made read-only after errors/],
    ['xfs', 'ro', false, /made read-only after errors/],
    ['ext4', 'rw,emergency_ro', false, /stopped writing after errors \(emergency_ro\)/],
    ['ext4', 'ro,shutdown', true, /stopped writing after errors \(shutdown\)/],
  ])('%s with %s, meant read-only: %s', (type, options, readOnly, words) => {
    const why = whyFilesystemSick(mounted(type, options), readOnly, sys);
    if (words === undefined) expect(why).toBeUndefined();
    else expect(why).toMatch(words);
  });

  it('of type ext4 counts its errors', async () => {
    await ext4({ errors_count: '0' });
    expect(whyFilesystemSick(mounted('ext4', 'rw'), false, sys)).toBeUndefined();
    await ext4({ errors_count: '3', last_error_func: 'ext4_find_entry', last_error_time: '1767225600' });
    expect(whyFilesystemSick(mounted('ext4', 'rw'), false, sys)).toBe(
      'its ext4 filesystem counts 3 errors, the last in ext4_find_entry at 2026-01-01T00:00:00.000Z; e2fsck is due',
    );
  });
});
