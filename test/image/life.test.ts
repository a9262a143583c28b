/** Controller and node plugin from the image's own root, on a real cluster: what a container would do, without one. */
import { chown, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { packageRoot } from '../../src/model/package-root.js';
import { block, mount } from '../integration/csi/capabilities.js';
import type { Driver } from '../integration/csi/driver.js';
import { Site } from '../integration/csi/site.js';
import { imageEnvironment, inImage, seenBy } from './in-image.js';

const NOBODY = 65_532;
const MiB = 2 ** 20;
const { root, qemu, isForeign } = inject('image');

let site: Site;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  site = await Site.open('image');
  environment = imageEnvironment(await readFile(path.join(packageRoot(), 'Dockerfile'), 'utf8'));
});
afterAll(async () => {
  await site.close();
});

const scratch = async (name: string): Promise<string> => {
  const directory = path.join(site.directory, `${name}-mounts`);
  await mkdir(directory);
  return directory;
};

async function giveTo(user: number, directory: string): Promise<void> {
  await chown(directory, user, user);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    await chown(path.join(entry.parentPath, entry.name), user, user);
  }
}

describe('a controller from the image, as uid 65532 with a read-only root and no capabilities', () => {
  let driver: Driver;
  beforeAll(async () => {
    await giveTo(NOBODY, site.directory);
    const within = inImage({ root, scratch: await scratch('c'), user: NOBODY, binds: [site.directory] });
    driver = site.driver('c', { program: 'dist/src/main.js', services: 'identity,controller', within });
    await driver.start('ready', environment);
  });

  it('is what it is said to be', async () => {
    const status = await readFile(`/proc/${driver.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s65532\s65532\s65532\s65532$/m);
    expect(status).toMatch(/^CapEff:\s0{16}$/m);
    expect(status).toMatch(/^CapBnd:\s0{16}$/m);
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    await expect(writeFile(seenBy(driver.pid, '/opt/berth/file'), '')).rejects.toMatchObject({ code: 'EROFS' });
    expect(await readFile(`/proc/${driver.pid}/cmdline`, 'utf8')).toContain('/opt/berth/dist/src/main.js');
  });

  it('answers Probe that it is ready, and creates and deletes a volume', async () => {
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
    const volume = await site.create(driver, mount('ext4'), { sizeBytes: 64 * MiB });
    expect(await site.images()).toHaveLength(1);
    await volume.end();
    expect(await site.images()).toEqual([]);
  });
});

// The mapper's storage daemon is this machine's, and finds no libraries in a root of another architecture.
describe.skipIf(isForeign)('a node plugin from the image, mapping by the storage daemon of development', () => {
  let driver: Driver;
  beforeAll(async () => {
    const within = inImage({ root, scratch: await scratch('n'), user: 'root', binds: [site.directory], qemu });
    driver = site.driver('n', { within, arguments: ['--mounter', 'loop'] });
    await driver.start('ready', environment);
  });

  it.each([
    ['ext4', 64],
    ['xfs', 300],
  ] as const)(
    'formats, mounts and unmounts %s with the image´s own programs, and the data is there again',
    async (fsType, size) => {
      const volume = await site.create(driver, mount(fsType), { sizeBytes: size * MiB });
      const file = async (): Promise<string> => path.join(seenBy(driver.pid, await volume.bring(driver)), 'file');
      await writeFile(await file(), 'from the first pod');
      await volume.leave(driver);
      expect(await readFile(await file(), 'utf8')).toBe('from the first pod');
      await volume.end();
    },
  );

  it('shows a raw device', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: 32 * MiB });
    await writeFile(seenBy(driver.pid, await volume.bring(driver)), 'raw');
    await volume.end();
  });
});
