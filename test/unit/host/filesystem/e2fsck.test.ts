/** e2fsck's exit codes and messages: what is damaged, what only failed, and how far a check is. */
import { describe, expect, it } from 'vitest';
import { e2fsckProgress, runE2fsck } from '../../../../src/host/filesystem/check/e2fsck.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const check = { device: '/dev/rbd0', force: false };
const answer = async (exitCode: number, stdout: string): Promise<unknown> => {
  const { exec } = scriptedExec(() => ({ exitCode, stdout }));
  return runE2fsck(exec, check, Deadline.after(60_000)).catch((error: unknown) => error);
};

describe('e2fsck', () => {
  it.each([
    [4, '/dev/rbd0: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.'],
    [12, '/dev/rbd0: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.'],
    [8, 'e2fsck: Bad magic number in super-block while trying to open /dev/rbd0'],
    [8, 'The superblock could not be read or does not describe a valid ext2/ext3/ext4 filesystem.'],
  ])('exit code %d with "%s": damaged, a person decides', async (exitCode, stdout) => {
    const error = await answer(exitCode, stdout);
    expect(error).toMatchObject({ code: 'BERTH_FILESYSTEM_DAMAGED', status: 'FAILED_PRECONDITION' });
    expect((error as Error).message).toContain(`e2fsck ended with ${exitCode}: ${stdout}`);
  });

  it.each([
    [8, 'e2fsck: Device or resource busy while trying to open /dev/rbd0'],
    [8, 'e2fsck: Operation not permitted while trying to open /dev/rbd0'],
    [4, 'Error reading block 33 (Input/output error). /dev/rbd0: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.'],
    [8, '/dev/rbd0 has unsupported feature(s): FEATURE_R13 e2fsck: Get a newer version of e2fsck!'],
    [16, 'Usage: e2fsck [-panyrcdfktvDFV]'],
    [32, '/dev/rbd0: e2fsck canceled.'],
    [128, 'e2fsck: error while loading shared libraries: libext2fs.so.2'],
  ])('exit code %d with "%s": it failed, which says nothing of the filesystem', async (exitCode, stdout) => {
    const error = await answer(exitCode, stdout);
    expect(error).toMatchObject({ code: 'BERTH_CHECK_FAILED', status: 'UNAVAILABLE' });
    expect((error as Error).message).toContain(stdout);
  });

  it('too little memory: tries once more with all there is, and says how much that was', async () => {
    const stdout = 'Error allocating icount structure: Memory allocation failed';
    const { exec, calls } = scriptedExec(() => ({ exitCode: 8, stdout, stderr: 'e2fsck: aborted' }));
    const error = runE2fsck(exec, check, Deadline.after(60_000));
    await expect(error).rejects.toThrow(/BERTH_CHECK_OUT_OF_MEMORY: .* needs more than the \d+ MiB of memory/);
    await expect(error).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED' });
    expect(calls).toHaveLength(2);
  });

  it('too little memory at first: the second try counts', async () => {
    const stdout = 'e2fsck: Cannot allocate memory while reading bitmaps';
    const { exec, calls } = scriptedExec(() => (calls.length < 2 ? { exitCode: 8, stdout } : { exitCode: 1 }));
    await runE2fsck(exec, check, Deadline.after(60_000));
    expect(calls).toHaveLength(2);
  });
});

describe('its progress', () => {
  it.each([
    ['1 0 16 /dev/rbd0', '0 % of pass 1 of 5'],
    ['3 12 16 /dev/rbd0', '75 % of pass 3 of 5'],
    ['1 0 0 /dev/rbd0', undefined],
    ['/dev/rbd0: clean', undefined],
  ])('a line "%s" says %s', (line, says) => {
    expect(e2fsckProgress(line)).toBe(says);
  });
});
