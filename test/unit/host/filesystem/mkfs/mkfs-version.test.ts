/** A mkfs is asked for its version once, and again only where it could not say. */
import { expect, it } from 'vitest';
import { isAtLeast, mkfsVersion, parseToolVersion } from '../../../../../src/host/filesystem/mkfs/mkfs-version.js';
import type { Exec } from '../../../../../src/host/process/exec.js';
import { Deadline } from '../../../../../src/model/deadline.js';

it.each([
  ['mkfs.xfs version 6.13.0', [6, 13]],
  ['mke2fs 1.47.2 (1-Jan-2025)\n\tUsing EXT2FS Library version 1.47.2', [1, 47]],
  ['no number', undefined],
])('%j is %j', (text, version) => {
  expect(parseToolVersion(text)).toEqual(version);
});

it('is compared number by number', () => {
  expect(isAtLeast([6, 10], [6, 9])).toBe(true);
  expect(isAtLeast([6, 9], [6, 10])).toBe(false);
  expect(isAtLeast([7, 0], [6, 10])).toBe(true);
  expect(isAtLeast(undefined, [0, 0])).toBe(false);
});

it('is asked once, of each program, and after a failure again', async () => {
  const asked: string[] = [];
  const exec: Exec = (file) => {
    asked.push(file);
    if (asked.length === 1) return Promise.reject(new Error('no memory'));
    return Promise.resolve({ stdout: '', stderr: 'mke2fs 1.47.0 (5-Feb-2023)', exitCode: 0 });
  };
  const ask = (type: 'ext4' | 'xfs') => mkfsVersion(exec, type, Deadline.after(1_000));
  await expect(ask('ext4')).rejects.toThrow('no memory');
  expect(await Promise.all([ask('ext4'), ask('ext4'), ask('xfs')])).toEqual([
    [1, 47],
    [1, 47],
    [1, 47],
  ]);
  expect(asked).toEqual(['mkfs.ext4', 'mkfs.ext4', 'mkfs.xfs']);
});
