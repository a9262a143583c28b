/** Paths of callers: absolute and plain ones pass, links at their end do not. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkAbsolute, resolveTarget, whereLeads } from '../../../../src/host/mount/target-path.js';

describe('checkAbsolute', () => {
  it.each([['/a'], ['/var/lib/kubelet/pods/x/volumes/kubernetes.io~csi/pvc 1/mount'], ['/ä/ö'], ['/a/..b/c.']])(
    'accepts %s',
    (given) => {
      expect(() => checkAbsolute('target_path', given)).not.toThrow();
    },
  );

  it.each([
    ['', /is empty/],
    ['a/b', /not absolute/],
    ['./a', /not absolute/],
    ['/a/../b', /holds \. or \.\./],
    ['/a/.', /holds \. or \.\./],
    ['/a/', /ends with a slash/],
    ['/', /ends with a slash/],
    ['/a\0b', /NUL/],
    [`/${'a'.repeat(255)}`.repeat(16), /longer than 4095 bytes/],
    [`/${'ä'.repeat(128)}`, /longer than 255 bytes/],
  ])('refuses %j', (given, why) => {
    expect(() => checkAbsolute('target_path', given)).toThrow(why);
    expect(() => checkAbsolute('target_path', given)).toThrow(/BERTH_FIELD_INVALID: target_path/);
  });
});

describe('resolveTarget', () => {
  let root = '';
  beforeEach(async () => {
    root = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-paths-')));
  });
  afterEach(() => rm(root, { recursive: true }));
  const resolve = (name: string) => resolveTarget('target_path', path.join(root, name));

  it('follows a link in the directory, as of a kubelet root elsewhere', async () => {
    await mkdir(path.join(root, 'real/pods'), { recursive: true });
    await symlink(path.join(root, 'real'), path.join(root, 'kubelet'));
    expect(await resolve('kubelet/pods/target')).toBe(path.join(root, 'real/pods/target'));
  });

  it('refuses a link as the last component, dangling or not', async () => {
    await symlink('/etc', path.join(root, 'link'));
    await symlink('/nowhere', path.join(root, 'dangling'));
    await expect(resolve('link')).rejects.toThrow(/BERTH_FIELD_INVALID: target_path: .* is a symbolic link/);
    await expect(resolve('dangling')).rejects.toThrow(/is a symbolic link/);
  });

  it('keeps parts that do not exist as they are', async () => {
    await symlink(root, path.join(root, 'here'));
    expect(await resolve('here/gone/pods/target')).toBe(path.join(root, 'gone/pods/target'));
  });

  it('says so when a directory on the way is a file', async () => {
    await writeFile(path.join(root, 'file'), '');
    await expect(resolve('file/x/target')).rejects.toMatchObject({ code: 'BERTH_FIELD_INVALID' });
  });

  it('removes doubled slashes', async () => {
    expect(await resolveTarget('target_path', `${root}//x`)).toBe(path.join(root, 'x'));
  });
});

describe('whereLeads', () => {
  let root = '';
  beforeEach(async () => {
    root = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-leads-')));
    await mkdir(path.join(root, 'real/pods'), { recursive: true });
    await symlink('real', path.join(root, 'kubelet'));
    await symlink('../kubelet/pods', path.join(root, 'real/link'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it.each([
    ['kubelet/pods/', 'real/pods'],
    ['kubelet/pods//.', 'real/pods'],
    ['kubelet/pods/../pods', 'real/pods'],
    ['kubelet/pods/..', 'real'],
    ['kubelet/..', ''],
    ['real/link', 'real/pods'],
    ['real/link/', 'real/pods'],
    ['real/link/gone', 'real/pods/gone'],
  ])('%s is followed as the kernel follows it', async (given, leads) => {
    expect(await whereLeads(`${root}/${given}`)).toBe(path.join(root, leads));
  });

  it('leads nowhere for what is relative, holds a NUL, goes in a circle or through what is not there', async () => {
    await symlink('circle', path.join(root, 'circle'));
    for (const given of ['', 'a/b', './a', '/a\0b', `${root}/circle`, `${root}/gone/../real`, `${root}/gone/x`]) {
      expect(await whereLeads(given), given).toBeUndefined();
    }
  });
});
