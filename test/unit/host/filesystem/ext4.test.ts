/** ext4: its superblock byte by byte, the arguments of its mkfs, what its tools say, and when they run at all. */
import { describe, expect, it } from 'vitest';
import { ext4, saysNotPermitted } from '../../../../src/host/filesystem/ext4.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';
const deadline = Deadline.after(5_000);

interface Fields {
  readonly blocks: bigint;
  readonly logBlockSize: number;
  readonly state: number;
  readonly incompat: number;
}

function pageOf({ blocks, logBlockSize, state, incompat }: Fields): Buffer {
  const page = Buffer.alloc(4096);
  page.writeUInt32LE(Number(blocks & 0xffffffffn), 1024 + 0x4);
  page.writeUInt32LE(logBlockSize, 1024 + 0x18);
  page.writeUInt16LE(0xef53, 1080);
  page.writeUInt16LE(state, 1024 + 0x3a);
  page.writeUInt32LE(incompat, 1024 + 0x60);
  page.writeUInt32LE(Number(blocks >> 32n), 1024 + 0x150);
  return page;
}

const CLEAN: Fields = { blocks: 1000n, logBlockSize: 2, state: 1, incompat: 0 };
const parse = (fields: Partial<Fields> = {}) => ext4.parseSuperblock(pageOf({ ...CLEAN, ...fields }));

describe('its superblock', () => {
  it('has its size from block count and block size', () => {
    expect(parse()?.sizeBytes).toBe(4_096_000n);
    expect(parse({ logBlockSize: 0 })?.sizeBytes).toBe(1_024_000n);
  });

  it('counts the high half of its blocks only with the 64bit feature', () => {
    const blocks = (3n << 32n) + 5n;
    expect(parse({ blocks, incompat: 0x80 })?.sizeBytes).toBe(blocks * 4096n);
    expect(parse({ blocks })?.sizeBytes).toBe(5n * 4096n);
  });

  it('says whether errors were recorded', () => {
    expect(parse()?.errors).toBe(false);
    expect(parse({ state: 3 })?.errors).toBe(true);
  });

  it.each([
    ['of zeroes', Buffer.alloc(4096)],
    ['that is too short', pageOf(CLEAN).subarray(0, 1100)],
    ['that is empty', Buffer.alloc(0)],
    ['of xfs', Buffer.concat([Buffer.from('XFSB'), Buffer.alloc(4092)])],
  ])('is not in a page %s', (_, page) => {
    expect(ext4.parseSuperblock(page)).toBeUndefined();
  });
});

describe('mkfs arguments', () => {
  it("join a user's -E to Berth's, of which mke2fs takes the last only", () => {
    const options = [
      { flag: '-E', value: 'stride=16' },
      { flag: '-b', value: '4096' },
    ];
    const extended = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1,stride=16';
    expect(ext4.mkfsArguments(UUID, options, false)).toEqual(
      ['-q', '-U', UUID, '-m', '0', '-E', extended].concat('-b', '4096'),
    );
  });

  it('overwrite only where that is asked', () => {
    expect(ext4.mkfsArguments(UUID, [], false)).not.toContain('-F');
    expect(ext4.mkfsArguments(UUID, [], true)).toContain('-F');
  });
});

describe('its check', () => {
  it.each([0, 1, 2, 3])('is well with the exit code %d of e2fsck', async (exitCode) => {
    const { exec, calls } = scriptedExec(() => ({ exitCode }));
    await ext4.check?.(exec, '/dev/rbd0', deadline);
    expect(calls).toEqual(['e2fsck -p -C 3 /dev/rbd0']);
  });

  it('says what e2fsck wants of a person', async () => {
    const { exec } = scriptedExec(() => ({ exitCode: 4, stdout: '/dev/rbd0: UNEXPECTED INCONSISTENCY;\n\tRUN fsck' }));
    await expect(ext4.check?.(exec, '/dev/rbd0', deadline)).rejects.toThrow(
      /BERTH_FILESYSTEM_DAMAGED: the ext4 .*e2fsck ended with 4: \/dev\/rbd0: UNEXPECTED INCONSISTENCY; RUN fsck/,
    );
  });
});

describe('saysNotPermitted', () => {
  it('is EPERM of the online resize, nothing else', () => {
    expect(saysNotPermitted('resize2fs 1.47.0 (5-Feb-2023)\nresize2fs: Permission denied to resize filesystem')).toBe(
      true,
    );
    expect(saysNotPermitted('resize2fs: Permission denied while trying to open /dev/rbd0')).toBe(false);
    expect(saysNotPermitted("resize2fs: Please run 'e2fsck -f /dev/rbd0' first.")).toBe(false);
  });
});

describe('mount options', () => {
  it('are none but read-only', () => {
    expect(ext4.mountOptions(false)).toEqual([]);
    expect(ext4.mountOptions(true)).toEqual(['ro']);
  });
});
