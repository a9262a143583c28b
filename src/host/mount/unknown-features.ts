/** Names of the features that a kernel does not know, from the bits that it prints when it refuses a filesystem. */

type Names = Readonly<Record<number, string>>;

/** fs/xfs/libxfs/xfs_format.h of Linux 6.18, XFS_SB_FEAT_INCOMPAT_*, as mkfs.xfs calls them. */
const XFS_INCOMPATIBLE: Names = {
  0x1: 'ftype',
  0x2: 'sparse',
  0x4: 'meta_uuid',
  0x8: 'bigtime',
  0x10: 'needsrepair',
  0x20: 'nrext64',
  0x40: 'exchange',
  0x80: 'parent',
  0x100: 'metadir',
  0x200: 'zoned',
};
/** The same file, XFS_SB_FEAT_RO_COMPAT_*. */
const XFS_READ_ONLY: Names = { 0x1: 'finobt', 0x2: 'rmapbt', 0x4: 'reflink', 0x8: 'inobtcount' };

/** fs/ext4/ext4.h, EXT4_FEATURE_INCOMPAT_*, as mke2fs calls them. */
const EXT4_INCOMPATIBLE: Names = {
  0x10: 'meta_bg',
  0x40: 'extent',
  0x80: '64bit',
  0x100: 'mmp',
  0x200: 'flex_bg',
  0x400: 'ea_inode',
  0x1000: 'dirdata',
  0x2000: 'metadata_csum_seed',
  0x4000: 'large_dir',
  0x8000: 'inline_data',
  0x10000: 'encrypt',
  0x20000: 'casefold',
};
/** The same file, EXT4_FEATURE_RO_COMPAT_*. */
const EXT4_READ_ONLY: Names = {
  0x8: 'huge_file',
  0x10: 'uninit_bg',
  0x20: 'dir_nlink',
  0x40: 'extra_isize',
  0x100: 'quota',
  0x200: 'bigalloc',
  0x400: 'metadata_csum',
  0x1000: 'read-only',
  0x2000: 'project',
  0x4000: 'shared_blocks',
  0x8000: 'verity',
  0x10000: 'orphan_present',
};

const WORDS: readonly (readonly [RegExp, Names])[] = [
  [/unknown incompatible features \(0x([0-9a-f]+)\)/i, XFS_INCOMPATIBLE],
  [/unknown read-only compatible features \(0x([0-9a-f]+)\)/i, XFS_READ_ONLY],
  [/couldn't mount RDWR because of unsupported optional features \(([0-9a-f]+)\)/i, EXT4_READ_ONLY],
  [/couldn't mount because of unsupported optional features \(([0-9a-f]+)\)/i, EXT4_INCOMPATIBLE],
];

/** What the kernel does not know: `["exchange", "parent"]`; a bit without a name as it is. Empty for nothing. */
export function unknownFeatures(kernelWords: string): readonly string[] {
  return WORDS.flatMap(([pattern, names]) => {
    const bits = Number.parseInt(pattern.exec(kernelWords)?.[1] ?? '0', 16);
    return Array.from({ length: 32 }, (_, at) => 2 ** at)
      .filter((bit) => Math.floor(bits / bit) % 2 === 1)
      .map((bit) => names[bit] ?? `bit 0x${bit.toString(16)}`);
  });
}
