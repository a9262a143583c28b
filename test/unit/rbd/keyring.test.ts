/** Keyrings that pods name: only those in the directory that is meant for it. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readKeyring } from '../../../src/rbd/keyring.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-rings-'));
  await writeFile(path.join(directory, 'one'), '[client.a]\n\tkey = KA==\n\tcaps mon = "profile rbd"\n');
  await writeFile(path.join(directory, 'two'), '[client.a]\nkey=KA==\n[client.b]\nkey = KB==\n');
  await writeFile(path.join(directory, 'none'), '[mon.]\nkey = KM==\n');
  await symlink('/etc/hostname', path.join(directory, 'link'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a keyring', () => {
  it.each([
    ['one', undefined, 'a', 'KA=='],
    ['two', 'b', 'b', 'KB=='],
  ])('%s gives the key of %s', async (file, user, id, key) => {
    const found = await readKeyring(directory, file, user);
    expect([found.user, found.key.reveal()]).toEqual([id, key]);
    expect((await readKeyring(directory, path.join(directory, file), user)).user).toBe(id);
  });

  it.each([
    ['../x', undefined, /must lie in/],
    ['/etc/ceph/ceph.client.admin.keyring', undefined, /must lie in/],
    ['two', undefined, /several clients/],
    ['one', 'b', /no client.b/],
    ['none', undefined, /no client/],
    ['missing', undefined, /ENOENT/],
    ['link', undefined, /cannot be read|no client/],
  ])('%s for %s is refused', async (file, user, reason) => {
    await expect(readKeyring(directory, file, user)).rejects.toThrow(reason);
  });
});
