/**
 * Images prepared behind Berth's back, with the rbd program alone: foreign ones, clones, wiped ones, some with odd
 * bytes in them.
 */
import { createHash } from 'node:crypto';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Site } from './site.js';

const le64 = (value: number): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
};

/** Write bytes at an offset of an image (Ceph doc/dev/rbd-diff.rst, version 1). */
export async function writeInto(site: Site, image: string, offset: number, bytes: Buffer): Promise<void> {
  const file = path.join(site.directory, 'bytes.diff');
  const parts = ['rbd diff v1\n', 'w', le64(offset), le64(bytes.length), bytes, 'e'];
  await writeFile(file, Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  await site.rbd('import-diff', '--no-progress', file, image);
}

/** A hash over everything that was ever written to an image. */
export async function contentOf(site: Site, image: string): Promise<string> {
  const file = path.join(site.directory, 'content.diff');
  await rm(file, { force: true });
  await site.rbd('export-diff', '--no-progress', image, file);
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** How many bytes an image holds, as its object map has it. */
export async function allocated(site: Site, image: string): Promise<number> {
  const extents = JSON.parse(await site.rbd('diff', image, '--format', 'json')) as { length: number; exists: string }[];
  return extents.filter((one) => one.exists === 'true').reduce((sum, one) => sum + one.length, 0);
}

/** An image with a filesystem that Berth never saw; an ext4 has one file in it. */
export async function importFilesystem(
  site: Site,
  image: string,
  bytes: number,
  type: 'ext4' | 'xfs' = 'ext4',
): Promise<void> {
  const file = path.join(site.directory, 'foreign.img');
  const content = path.join(site.directory, 'foreign.txt');
  await writeFile(file, '');
  await truncate(file, bytes);
  await writeFile(content, 'from elsewhere');
  const deadline = Deadline.after(30_000);
  if (type === 'xfs') await run('mkfs.xfs', ['-q', file], { deadline });
  else {
    await run('mkfs.ext4', ['-q', '-F', file], { deadline });
    await run('debugfs', ['-w', '-R', `write ${content} file`, file], { deadline });
  }
  await site.rbd('import', '--no-progress', file, image);
  await rm(file);
}

/** All of an image's data gone, its metadata kept. */
export async function wipe(site: Site, image: string, bytes: number): Promise<void> {
  await site.rbd('resize', '--no-progress', '--allow-shrink', '--size', '0', image);
  await site.rbd('resize', '--no-progress', '--size', `${bytes}B`, image);
}

/** A clone of an image as it is now; its parent snapshot stays. Returns how to remove both. */
export async function cloneOf(site: Site, image: string, clone: string): Promise<() => Promise<void>> {
  await site.rbd('snap', 'create', '--no-progress', `${image}@origin`);
  await site.rbd('snap', 'protect', `${image}@origin`);
  await site.rbd('clone', `${image}@origin`, clone);
  return async () => {
    await site.rbd('rm', '--no-progress', clone);
    await site.rbd('snap', 'unprotect', `${image}@origin`);
    await site.rbd('snap', 'rm', '--no-progress', `${image}@origin`);
  };
}
