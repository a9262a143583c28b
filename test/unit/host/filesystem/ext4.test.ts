/** ext4: its superblock byte by byte, the arguments of its mkfs, what its tools say, and when they run at all. */
import { describe, expect, it } from 'vitest';
import type { MkfsOption } from '../../../../src/host/filesystem/filesystem.js';
import { ext4, forbidsWritesToMounted, saysNotOpened, saysNotPermitted } from '../../../../src/host/filesystem/ext4.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { scriptedExec } from '../../../fakes/scripted-exec.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';
const REQUEST = { uuid: UUID, options: [], force: false, sizeBytes: 1n << 30n, tool: undefined };
const LAYOUT = 'meta_bg,^resize_inode,64bit';
const deadline = Deadline.after(5_000);

interface Fields {
  readonly blocks: bigint;
  readonly logBlockSize: number;
  readonly state: number;
  readonly incompat: number;
  readonly firstBlock?: number;
  readonly groupBlocks?: number;
  readonly groupInodes?: number;
  readonly descriptor?: number;
}

function pageOf({ blocks, logBlockSize, state, incompat, ...groups }: Fields): Buffer {
  const page = Buffer.alloc(4096);
  page.writeUInt32LE(groups.firstBlock ?? 0, 1024 + 0x14);
  page.writeUInt32LE(groups.groupBlocks ?? 32768, 1024 + 0x20);
  page.writeUInt32LE(groups.groupInodes ?? 8192, 1024 + 0x28);
  page.writeUInt16LE(groups.descriptor ?? 64, 1024 + 0xfe);
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

describe('how large it can become', () => {
  const GiB = 1n << 30n;
  const one = { logBlockSize: 0, firstBlock: 1, groupBlocks: 8192, groupInodes: 2048, descriptor: 64, incompat: 0x80 };
  it.each([
    // Both numbers are what resize2fs 1.47 says for filesystems of 500 MiB.
    ['just below 1 TiB with blocks of 1 KiB', one, 1024n * GiB - 1n, 1023n * GiB],
    ['twice that with small descriptors', { ...one, incompat: 0 }, 2048n * GiB - 1n, 2047n * GiB],
  ])('is %s', (_, fields, below, atLeast) => {
    const { growsTo = 0n } = parse(fields)!;
    expect(growsTo).toBeLessThanOrEqual(below);
    expect(growsTo).toBeGreaterThanOrEqual(atLeast);
  });

  it('is 16 TiB and more as Berth makes it, and less where inodes cannot be counted', () => {
    const ours = { logBlockSize: 2, groupBlocks: 32768, groupInodes: 32720, descriptor: 64, incompat: 0x80 };
    expect(parse(ours)!.growsTo).toBeGreaterThanOrEqual(16n << 40n);
    expect(parse({ ...ours, groupInodes: 32768 })!.growsTo).toBe((16n << 40n) - (128n << 20n));
    expect(parse({ ...ours, incompat: 0, descriptor: 0 })!.growsTo).toBe((16n << 40n) - 4096n);
  });

  it('is not known of numbers that cannot be', () => {
    expect(parse({ ...one, groupInodes: 0 })!.growsTo).toBeUndefined();
    expect(parse({ ...one, logBlockSize: 60 })!.growsTo).toBeUndefined();
  });
});

describe('mkfs arguments', () => {
  it("join a user's -E to Berth's, of which mke2fs takes the last only", () => {
    const options = [
      { flag: '-E', value: 'stride=16' },
      { flag: '-b', value: '4096' },
    ];
    const extended = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1,stride=16';
    expect(ext4.mkfsArguments({ ...REQUEST, options })).toEqual(
      ['-q', '-U', UUID, '-m', '0', '-E', extended, '-O', LAYOUT, '-b', '4096'].concat('-b', '4096'),
    );
  });

  it("join a user's -O to the layout that lets it grow, which gives way to a layout of his own", () => {
    const features = (...options: readonly MkfsOption[]) => {
      const given = ext4.mkfsArguments({ ...REQUEST, options });
      return given[given.indexOf('-O') + 1];
    };
    expect(features()).toBe(LAYOUT);
    expect(features({ flag: '-O', value: 'project' })).toBe(`${LAYOUT},project`);
    expect(features({ flag: '-O', value: 'resize_inode' })).toBe('resize_inode');
    expect(ext4.mkfsArguments({ ...REQUEST, options: [{ flag: '-E', value: 'resize=99' }] })).not.toContain('-O');
  });

  it('leave out what older kernels do not mount, and give way to a user who asks for it', () => {
    const features = (minor: number, ...options: readonly MkfsOption[]) => {
      const given = ext4.mkfsArguments({ ...REQUEST, options, tool: [1, minor] });
      return given[given.indexOf('-O') + 1];
    };
    expect(features(46)).toBe(LAYOUT);
    expect(features(47)).toBe(`${LAYOUT},^metadata_csum_seed,^orphan_file`);
    expect(features(47, { flag: '-O', value: 'orphan_file' })).toMatch(/\^orphan_file,orphan_file$/);
  });

  it('leave tiny ones their small blocks, and small ones as many inodes as can be counted at 16 TiB', () => {
    const sized = (mebibytes: bigint) => ext4.mkfsArguments({ ...REQUEST, sizeBytes: mebibytes << 20n });
    expect(sized(7n)).not.toContain('-b');
    expect(sized(8n)).toContain('-b');
    expect(sized(511n).slice(-2)).toEqual(['-i', '4104']);
    expect(sized(512n)).not.toContain('-i');
  });

  it('overwrite only where that is asked', () => {
    expect(ext4.mkfsArguments(REQUEST)).not.toContain('-F');
    expect(ext4.mkfsArguments({ ...REQUEST, force: true })).toContain('-F');
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

describe('a kernel that lets nobody write to a mounted device', () => {
  it.each([
    ['resize2fs 1.47.0 (5-Feb-2023)\nresize2fs: Operation not permitted while opening /dev/rbd0', true],
    ['resize2fs: Device or resource busy while opening /dev/rbd0', true],
    ['resize2fs: Permission denied to resize filesystem', false],
    ["resize2fs: Please run 'e2fsck -f /dev/rbd0' first.", false],
  ])('says %s: %s', (stderr, is) => {
    expect(saysNotOpened(stderr)).toBe(is);
  });

  it.each([
    ['root=/dev/vda bdev_allow_write_mounted=0 quiet', true],
    ['bdev_allow_write_mounted=1 bdev_allow_write_mounted=n', true],
    ['bdev_allow_write_mounted=0 bdev_allow_write_mounted=1\n', false],
    ['root=/dev/vda quiet', false],
    ['', false],
  ])('is told by the command line "%s": %s', (commandLine, is) => {
    expect(forbidsWritesToMounted(commandLine)).toBe(is);
  });
});

describe('mount options', () => {
  it('are none but read-only', () => {
    expect(ext4.mountOptions(false)).toEqual([]);
    expect(ext4.mountOptions(true)).toEqual(['ro']);
  });
});
