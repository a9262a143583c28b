/** A path as the host resolves it, whatever links the container has. */
import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pathOnHost } from '../../../../src/host/mount/path-on-host.js';

let root: string;
let proc: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-host-path-')));
  proc = path.join(root, 'proc');
  await mkdir(path.join(proc, '1/root/data/kubelet/pods'), { recursive: true });
  await mkdir(path.join(proc, '1/root/var/lib'), { recursive: true });
  // Both lead from the host's root; from ours they lead nowhere.
  await symlink('/data/./kubelet', path.join(proc, '1/root/var/lib/kubelet'));
  await symlink('../../data', path.join(proc, '1/root/var/lib/disk'));
  await symlink('circle', path.join(proc, '1/root/circle'));
});
afterEach(() => rm(root, { recursive: true }));

it.each([
  ['/var/lib/kubelet/pods/1/volumes/x/mount', '/data/kubelet/pods/1/volumes/x/mount'],
  ['/var/lib/disk/kubelet/pods', '/data/kubelet/pods'],
  ['/var/lib/disk/../etc/', '/etc'],
  ['/data/kubelet/pods', '/data/kubelet/pods'],
  ['/gone/x', '/gone/x'],
  ['/circle/x', '/circle/x'],
])('%s is %s', async (asked, leads) => {
  expect(await pathOnHost(asked, proc)).toBe(leads);
});

it('is what we see ourselves where pid 1 cannot be looked at', async () => {
  await mkdir(path.join(root, 'real'));
  await symlink('real', path.join(root, 'link'));
  expect(await pathOnHost(path.join(root, 'link/x'), '/nowhere')).toBe(path.join(root, 'real/x'));
});
