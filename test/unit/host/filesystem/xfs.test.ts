/** xfs: its superblock byte by byte, the arguments of its mkfs, and what xfs_growfs answers. */
import { describe, expect, it } from 'vitest';
import { checkFilesystem, repairBeforeMount } from '../../../../src/host/filesystem/check/check-filesystem.js';
import { growFilesystem } from '../../../../src/host/filesystem/resize-filesystem.js';
import { xfs } from '../../../../src/host/filesystem/xfs.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';
const deadline = Deadline.after(5_000);

function pageOf(blockSize: number, blocks: bigint): Buffer {
  const page = Buffer.alloc(4096);
  page.write('XFSB', 'latin1');
  page.writeUInt32BE(blockSize, 4);
  page.writeBigUInt64BE(blocks, 8);
  return page;
}

describe('its superblock', () => {
  it('has its size from block count and block size, and no errors', () => {
    expect(xfs.parseSuperblock(pageOf(4096, 1n << 40n))).toEqual({
      uuid: '00000000-0000-0000-0000-000000000000',
      sizeBytes: 1n << 52n,
      errors: false,
      growsTo: undefined,
      mounts: '',
    });
  });

  it.each([
    ['of zeroes', Buffer.alloc(4096)],
    ['that is too short', pageOf(4096, 1n).subarray(0, 100)],
    ['that is empty', Buffer.alloc(0)],
  ])('is not in a page %s', (_, page) => {
    expect(xfs.parseSuperblock(page)).toBeUndefined();
  });

  it('is not in a page of ext4', () => {
    const page = Buffer.alloc(4096);
    page.writeUInt16LE(0xef53, 1080);
    expect(xfs.parseSuperblock(page)).toBeUndefined();
  });
});

const REQUEST = { uuid: UUID, options: [], force: false, sizeBytes: 1n << 30n, tool: undefined };

describe('mkfs arguments', () => {
  it("have the uuid, no discard, and a user's options behind", () => {
    const options = [{ flag: '-i', value: 'size=1024' }];
    expect(xfs.mkfsArguments({ ...REQUEST, options })).toEqual(['-q', '-K', '-m', `uuid=${UUID}`, '-i', 'size=1024']);
  });

  it('leave out what older kernels do not mount, as far as this mkfs knows it', () => {
    const flags = (major: number, minor: number) => xfs.mkfsArguments({ ...REQUEST, tool: [major, minor] }).slice(4);
    expect(flags(4, 7)).toEqual([]);
    expect(flags(6, 1)).toEqual(['-m', 'rmapbt=0', '-i', 'nrext64=0']);
    expect(flags(6, 13)).toEqual(['-m', 'rmapbt=0', '-i', 'nrext64=0', '-i', 'exchange=0', '-n', 'parent=0']);
    expect(flags(7, 2)).toEqual(flags(6, 13));
  });

  it('leave it to a user who says it himself: twice it is an error of mkfs', () => {
    const options = [
      { flag: '-i', value: 'size=1024,exchange=1' },
      { flag: '-m', value: 'rmapbt=1' },
    ];
    const given = xfs.mkfsArguments({ ...REQUEST, options, tool: [6, 13] });
    expect(given.slice(4)).toEqual([
      '-i',
      'nrext64=0',
      '-n',
      'parent=0',
      '-i',
      'size=1024,exchange=1',
      '-m',
      'rmapbt=1',
    ]);
  });

  it('overwrite only where that is asked', () => {
    expect(xfs.mkfsArguments(REQUEST)).not.toContain('-f');
    expect(xfs.mkfsArguments({ ...REQUEST, force: true })).toContain('-f');
  });
});

describe('mount options', () => {
  it('always allow the uuid that a clone has too', () => {
    expect(xfs.mountOptions(false)).toEqual(['nouuid']);
    expect(xfs.mountOptions(true)).toEqual(['ro', 'nouuid']);
  });
});

describe('before a mount', () => {
  it('nothing is read, checked or run', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    expect(await repairBeforeMount(exec, '/dev/berth-none', 'xfs', deadline)).toBe('not needed');
    await checkFilesystem(exec, '/dev/berth-none', 'xfs', deadline);
    expect(calls).toEqual([]);
  });
});

describe('growth', () => {
  it('runs where it is mounted', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    await growFilesystem(exec, { device: '/dev/rbd0', type: 'xfs', mountedAt: '/stage' }, deadline);
    expect(calls).toEqual(['xfs_growfs -d /stage']);
  });

  it('is refused where it is not mounted, and nothing is run', async () => {
    const { exec, calls } = scriptedExec(() => ({}));
    const growth = growFilesystem(exec, { device: '/dev/rbd0', type: 'xfs', mountedAt: undefined }, deadline);
    await expect(growth).rejects.toThrow(/BERTH_FILESYSTEM_GROW_FAILED: .*xfs grows only while it is mounted/);
    expect(calls).toEqual([]);
  });
});
