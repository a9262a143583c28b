/** fsGroup on a real ext4: what cannot be changed stops nothing, and a walk that was cut is done to its end. */
import { chmod, chown, lstat, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { giveToGroup } from '../../../src/host/filesystem/group/give-to-group.js';
import { ownByGroup } from '../../../src/host/filesystem/group/own-by-group.js';
import { makeFilesystem } from '../../../src/host/filesystem/make-filesystem.js';
import { mountFilesystem } from '../../../src/host/mount/mount-filesystem.js';
import { run } from '../../../src/host/process/exec.js';
import { runningChildren } from '../../../src/host/process/children.js';
import { MIB, scratchDevice, soon } from './scratch.js';

const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c0a';
const ONE = 4001;
const OTHER = 4002;

async function mounted(): Promise<string> {
  const { device, target } = await scratchDevice(32 * MIB);
  await makeFilesystem(run, { device, type: 'ext4', uuid: UUID, options: [] }, soon());
  await mountFilesystem(run, { device, target, fsType: 'ext4', options: [] }, soon());
  return target;
}
const own = (root: string, gid: number) => ownByGroup(run, root, String(gid), soon());
const gidOf = async (...place: string[]) => (await lstat(path.join(...place))).gid;
const modeOf = async (...place: string[]) => (await lstat(path.join(...place))).mode & 0o7777;

it('immutable and append-only files: all others are changed, the root last, and the answer names them', async () => {
  const root = await mounted();
  await mkdir(path.join(root, 'directory/deep'), { recursive: true });
  for (const name of ['fixed', 'grows', 'directory/deep/file']) await writeFile(path.join(root, name), 'x');
  await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), 'no text for a name');
  await symlink('/etc/passwd', path.join(root, 'link'));
  await chmod(path.join(root, 'directory/deep/file'), 0o4700);
  await run('chattr', ['+i', path.join(root, 'fixed')], { deadline: soon() });
  await run('chattr', ['+a', path.join(root, 'grows')], { deadline: soon() });
  const given = await own(root, ONE);
  expect(given).toMatchObject({ refused: 2 });
  expect([...(given?.examples ?? [])].sort()).toEqual(['fixed: EPERM', 'grows: EPERM']);
  expect(await gidOf(root, 'fixed')).toBe(0);
  for (const name of ['', 'directory', 'directory/deep', 'directory/deep/file', 'link']) {
    expect([name, await gidOf(root, name)]).toEqual([name, ONE]);
  }
  // The kernel took set-user-id away with the old owner, and it stays away.
  expect(await modeOf(root, 'directory/deep/file')).toBe(0o760);
  expect((await modeOf(root, 'directory/deep')) & 0o2070).toBe(0o2070);
  expect((await lstat('/etc/passwd')).gid).toBe(0);
  expect(await own(root, ONE)).toBeUndefined();
});

it('a walk to another group that was cut: neither group counts as done, the next walk does the rest', async () => {
  const root = await mounted();
  const names = Array.from({ length: 1500 }, (_, number) => path.join(root, `file-${number}`));
  for (const name of names) await writeFile(name, '');
  expect(await own(root, ONE)).toMatchObject({ changed: 1502, refused: 0 });
  const cut = (): void => {
    throw new Error('cut');
  };
  expect(() => giveToGroup(root, OTHER, cut)).toThrow('cut');
  // Files of both groups: the root must say "done" for none of them.
  expect(await own(root, ONE)).toMatchObject({ refused: 0 });
  for (const name of names) expect(await gidOf(name)).toBe(ONE);
  expect(() => giveToGroup(root, OTHER, cut)).toThrow('cut');
  const { changed = 0 } = (await own(root, OTHER)) ?? {};
  expect(changed).toBeGreaterThan(0);
  expect(changed).toBeLessThan(1000);
  for (const name of names) expect(await gidOf(name)).toBe(OTHER);
});

it('a walk that is killed again and again: each goes on where the last one came to', async () => {
  const root = await mounted();
  const names = Array.from({ length: 4_000 }, (_, number) => path.join(root, `file-${number}`));
  for (const name of names) await writeFile(name, '');
  const fixed = path.join(root, 'file-7');
  await run('chattr', ['+i', fixed], { deadline: soon() });
  const done = async (): Promise<number> =>
    Number((await run('sh', ['-c', `find "$0" -gid ${ONE} | wc -l`, root], { deadline: soon() })).stdout);
  // Files of another group make work of each kill's moment; the child says nothing below a thousand.
  let before = 0;
  for (let times = 0; times < 3; times += 1) {
    let isOver = false;
    const walk = own(root, ONE).then(
      () => (isOver = true),
      () => (isOver = true),
    );
    const child = () => runningChildren().find(({ progress }) => progress !== undefined);
    await expect.poll(() => isOver || child() !== undefined, { interval: 1 }).toBe(true);
    const { pid } = child() ?? {};
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await walk;
    const after = await done();
    expect(after).toBeGreaterThanOrEqual(before);
    before = after;
  }
  const given = await own(root, ONE);
  // All but the file, the root and lost+found among them.
  expect(await done()).toBe(4_001);
  if (given === undefined) return;
  expect(given).toMatchObject({ refused: 1, examples: ['file-7: EPERM'] });
  // A kill may come between a file's group and its mode.
  expect(given.changed).toBeGreaterThanOrEqual(4_001 - before);
  expect(given.changed).toBeLessThanOrEqual(4_001 - before + 3);
});

it('another filesystem below is left alone; one that is read-only is an error, not "done"', async () => {
  const root = await mounted();
  const inner = path.join(root, 'inner');
  await mkdir(inner);
  await run('mount', ['-t', 'tmpfs', 'none', inner], { deadline: soon() });
  onTestFinished(() => run('umount', [inner], { deadline: soon() }).then(() => undefined));
  await chown(inner, 0, 0);
  expect(await own(root, ONE)).toMatchObject({ refused: 0 });
  expect(await gidOf(inner)).toBe(0);
  await run('mount', ['-o', 'remount,ro', root], { deadline: soon() });
  await expect(own(root, OTHER)).rejects.toThrow(/EROFS/);
});
