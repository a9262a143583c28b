/**
 * From which size to which a filesystem of ours grows, mounted and not: its contents are the same each time, and the
 * check finds nothing.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { refreshLoop } from '../../../src/dev/mapper/loop-device.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { growFilesystem } from '../../../src/host/filesystem/resize-filesystem.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { mayResizeOnline, MIB, scratchDevice, soon, type Scratch } from './scratch.js';

const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
/** What ext4 and its tables may take of a device that it fills. */
const LEAST_SHARE = 0.9;
const FILES = 20;
const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c05';
/** A growth to terabytes is seconds of work, and minutes on a busy machine. */
const LONG_MS = 300_000;

type Type = 'ext4' | 'xfs';

const nameOf = (size: number): string =>
  size >= TIB ? `${size / TIB} TiB` : size >= GIB ? `${size / GIB} GiB` : `${size / MIB} MiB`;

type Sizes = readonly (readonly [from: number, to: number])[];
const EXT4: Sizes = [
  [2 * MIB, 4 * MIB],
  [2 * MIB, 8 * GIB],
  [64 * MIB, 65 * GIB],
  [100 * MIB, 200 * GIB],
  [GIB, 2 * GIB],
];
/** Each takes as long as all others together. */
const EXT4_FAR: Sizes = [
  [5 * MIB, 64 * GIB],
  [8 * MIB, TIB],
  [500 * MIB, TIB],
];
const XFS: Sizes = [
  [300 * MIB, 301 * MIB],
  [300 * MIB, 64 * GIB],
  [GIB, 8 * GIB],
];

const inPlace = (isMounted: boolean): string => (isMounted ? 'mounted' : 'not mounted');
const cases = (type: Type, sizes: Sizes, isMounted: boolean) =>
  sizes.map(([from, to]) => {
    const title = `${type}, ${nameOf(from)} to ${nameOf(to)}, ${inPlace(isMounted)}`;
    return { type, from, to, isMounted, title };
  });
const all = [
  ...(process.env['BERTH_GROWTH_ALL'] === '1' ? cases('ext4', EXT4_FAR, false) : []),
  ...cases('ext4', EXT4, false),
  ...((await mayResizeOnline()) ? cases('ext4', [...EXT4, ...EXT4_FAR], true) : []),
  ...cases('xfs', XFS, true),
];

const mount = ({ device, target }: Scratch, fsType: Type) =>
  mountFilesystem(run, { device, target, fsType, options: [] }, soon());

/** Half of it, in files of some blocks each. */
async function fill(directory: string, bytes: number): Promise<void> {
  const each = Math.floor(Math.min(bytes / 4, 8 * MIB) / FILES);
  for (let index = 0; index < FILES; index += 1)
    await writeFile(path.join(directory, `file-${index}`), randomBytes(each));
}

async function sumOf(directory: string): Promise<string> {
  const sum = createHash('sha256');
  for (let index = 0; index < FILES; index += 1) sum.update(await readFile(path.join(directory, `file-${index}`)));
  return sum.digest('hex');
}

describe('growFilesystem', () => {
  it.each(all)(
    '$title: contents are equal, and all of it is there',
    async ({ type, from, to, isMounted }) => {
      const scratch = await scratchDevice(from);
      const { device, target, file } = scratch;
      await makeFilesystem(run, { device, type, uuid: UUID, options: [] }, soon());
      await mount(scratch, type);
      await fill(target, from);
      const before = await sumOf(target);
      if (!isMounted) await unmount(run, target, soon());
      await run('truncate', ['--size', String(to), file], { deadline: soon() });
      await refreshLoop(run, device, soon());
      let guards = 0;
      const guard = (): Promise<void> => Promise.resolve(void (guards += 1));
      const mountedAt = isMounted ? target : undefined;
      await growFilesystem(run, { device, type, mountedAt, guard }, Deadline.after(LONG_MS));
      expect(guards).toBe(isMounted ? 0 : 1);
      // What the kernel has in its memory is not what stands on the device.
      if (isMounted) await unmount(run, target, soon());
      const check: readonly [string, readonly string[]] =
        type === 'ext4' ? ['e2fsck', ['-f', '-n', device]] : ['xfs_repair', ['-n', device]];
      await run(...check, { deadline: Deadline.after(LONG_MS) });
      await mount(scratch, type);
      expect(await sumOf(target)).toBe(before);
      const { stdout } = await run('df', ['--block-size=1', '--output=size', target], { deadline: soon() });
      if (to >= GIB) expect(Number(stdout.split('\n')[1])).toBeGreaterThan(to * LEAST_SHARE);
      await unmount(run, target, soon());
    },
    LONG_MS,
  );
});
