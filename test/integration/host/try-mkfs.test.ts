/** Options for mkfs, tried with the real programs on sparse files: what they would make is known before a volume is. */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { MkfsTrial } from '../../../src/host/filesystem/mkfs/try-mkfs.js';
import { run, type Exec } from '../../../src/host/process/exec.js';
import type { FilesystemType } from '../../../src/model/capability.js';
import { Deadline } from '../../../src/model/deadline.js';
import { berthError } from '../../../src/model/errors.js';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
let programs: string[];
let warnings: string[];
const counting: Exec = (file, args, options) => {
  programs.push(file);
  return run(file, args, options);
};
beforeEach(() => {
  programs = [];
  warnings = [];
});

const trialOf = (exec: Exec = counting) => new MkfsTrial(exec, (why) => warnings.push(why));
const soon = () => Deadline.after(60_000);
const tried = (trial: MkfsTrial, type: FilesystemType, options: string, bytes: number): Promise<void> =>
  trial.check('mkfsOptions', type, options.split(' '), BigInt(bytes), soon());

describe('options that', () => {
  it.each<[FilesystemType, string, number, RegExp]>([
    ['ext4', '-r 0', 400 * MiB, /revision 0|has been removed/],
    ['ext4', '-O journal_dev', 400 * MiB, /makes jbd and no ext4/],
    [
      'ext4',
      '-O ^has_journal,^extent,^64bit,^flex_bg,^huge_file,^dir_nlink,^extra_isize,^metadata_csum',
      64 * MiB,
      /no ext4/,
    ],
    ['ext4', '-N 10000000000', 400 * MiB, /too many inodes/],
    ['ext4', '-b 65536', 400 * MiB, /too big for system/],
    ['ext4', '-O no_such_feature', 400 * MiB, /no_such_feature/],
    ['ext4', '-O journal_dev', 100 * GiB, /makes jbd and no ext4/],
    ['ext4', '-N 10000000000', 100 * GiB, /too many inodes/],
    ['xfs', '-L thirteenbytes', 400 * MiB, /label|-L/i],
    ['xfs', '-d su=64k,sw=1', 400 * MiB, /mkfs\.xfs refuses them/],
    ['xfs', '-b size=65536', 400 * MiB, /blocks of 65536 bytes/],
    ['xfs', '-d size=310m', 400 * MiB, /-d size=310m is not allowed/],
  ])('cannot work are refused: %s %s for %s bytes', async (type, options, bytes, words) => {
    const refusal = tried(trialOf(), type, options, bytes);
    await expect(refusal).rejects.toThrow(words);
    await expect(refusal).rejects.toMatchObject({ code: 'BERTH_FIELD_INVALID' });
    await expect(refusal).rejects.not.toThrow(new RegExp(tmpdir()));
    expect(await readdir(tmpdir())).not.toContainEqual(expect.stringMatching(/^berth-mkfs-/));
  });

  it.each<[FilesystemType, string, number]>([
    ['ext4', '-b 1024 -N 64 -m 0', 32 * MiB],
    ['ext4', '-O ^has_journal', 400 * MiB],
    ['ext4', '-E lazy_itable_init=0 -i 4096', 200 * GiB],
    ['ext4', '-N 5000000', 100 * GiB],
    ['xfs', '-m reflink=0 -i size=1024', 300 * MiB],
    ['xfs', '-d su=64k,sw=1', 2 * GiB],
    ['xfs', '-l size=64m', 4 * 1024 * GiB],
  ])('work are taken: %s %s for %s bytes', async (type, options, bytes) => {
    await tried(trialOf(), type, options, bytes);
    expect(warnings).toEqual([]);
  });
});

describe('what was proved', () => {
  it('is not tried again for the same size and larger ones of its class, also when asked for at once', async () => {
    const trial = trialOf();
    await Promise.all(Array.from({ length: 20 }, () => tried(trial, 'xfs', '-d su=64k,sw=1', 600 * MiB)));
    await tried(trial, 'xfs', '-d su=64k,sw=1', 900 * MiB);
    expect(programs).toEqual(['mkfs.xfs']);
    // 513 MiB is where mkfs.xfs begins to take it: what was proved above says nothing of less.
    await expect(tried(trial, 'xfs', '-d su=64k,sw=1', 400 * MiB)).rejects.toThrow(/refuses them/);
    await tried(trial, 'xfs', '-d su=64k,sw=1', 1100 * MiB);
    expect(programs).toHaveLength(3);
  });

  it('is nothing where no options are given, and costs nothing', async () => {
    await trialOf().check('mkfsOptions', 'ext4', [], 2n ** 30n, soon());
    expect(programs).toEqual([]);
  });

  it('is nothing where mkfs cannot be run: that is said, and the next create tries again', async () => {
    const trial = trialOf((file) => {
      programs.push(file);
      return Promise.reject(berthError('BERTH_COMMAND_MISSING', { command: file }));
    });
    await tried(trial, 'xfs', '-i size=512', GiB);
    await tried(trial, 'xfs', '-i size=512', GiB);
    expect(programs).toHaveLength(2);
    expect(warnings[0]).toMatch(/mkfs\.xfs is not installed/);
  });
});
