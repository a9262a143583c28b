/** Directories are made with what is missing above them, and a path that takes none is an error at once. */
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeDirectories } from '../../../src/host/make-directories.js';

async function fresh(): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'berth-make-'));
  onTestFinished(() => rm(root, { recursive: true }));
  return root;
}

it('what is missing above is made with the same mode, what is there is left as it is', async () => {
  const root = await fresh();
  await Promise.all([1, 2, 3].map(() => makeDirectories(path.join(root, 'a/b/c'), 0o750)));
  for (const made of ['a', 'a/b', 'a/b/c']) expect((await stat(path.join(root, made))).mode & 0o777).toBe(0o750);
  await symlink('a', path.join(root, 'link'));
  await makeDirectories(path.join(root, 'link/b/d'), 0o700);
  await makeDirectories(path.join(root, 'link'), 0o700);
});

it('where the kernel takes no name for ever it is an error, not an endless round', async () => {
  await expect(makeDirectories('/proc/x/y', 0o750)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('something else than a directory in the way is an error', async () => {
  const root = await fresh();
  await writeFile(path.join(root, 'file'), '');
  await expect(makeDirectories(path.join(root, 'file'), 0o750)).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectories(path.join(root, 'file/x'), 0o750)).rejects.toMatchObject({ code: 'ENOTDIR' });
});
