/** NbdMapper against the kernel's nbd and the real rbd-nbd. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, afterEach, describe, it } from 'node:test';
import { deviceSizeBytes, isDeviceReadOnly } from '../../src/host/device/block-device.js';
import { run } from '../../src/host/process/exec.js';
import { Secret } from '../../src/model/secret.js';
import { locationName, requestedLocation } from '../../src/rbd/mapping/location-name.js';
import type { MapRequest } from '../../src/rbd/mapping/mapper.js';
import { readNbdDevices } from '../../src/rbd/mapping/nbd/nbd-sysfs.js';
import { NbdMapper } from '../../src/rbd/mapping/nbd/nbd-mapper.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { get, makeExt4, mounted, put, readSector, soon, writeSector } from './inside/disk.js';
import { nothingIsLeft, refused } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB, newImage, removeImages, specOf } from './inside/images.js';
import { session } from './inside/session.js';
import { withoutUdevd } from './inside/udevd.js';

const KEYS = '/run/berth-vm-keys';
const mapper = new NbdMapper({ exec: run, runtimeDir: KEYS });

const unmapAll = async (): Promise<void> => {
  for (const mapping of await mapper.list(soon())) {
    if (mapping.location.fsid === session.fsid) await mapper.unmap(mapping, soon());
  }
};

describe('rbd-nbd', () => {
  afterEach(unmapAll);
  after(async () => {
    await nothingIsLeft();
    await removeImages();
    rmSync(KEYS, { recursive: true, force: true });
  });

  it('can work here, with a module that it loads itself', async () => {
    assert.equal(await mapper.whyNot(), undefined);
    const limit = await mapper.limit();
    assert.ok(session.guest ? limit === 128 : limit > 0, `${limit} devices`);
  });

  it('maps, finds, lists and unmaps an image, three times over', async () => {
    const request = await newImage();
    for (const round of [1, 2, 3]) {
      const mapping = await mapper.map(request, soon());
      assert.match(mapping.device, /^\/dev\/nbd\d+$/);
      assert.deepEqual(mapping.location, requestedLocation(request));
      assert.equal(mapping.readOnly, false);
      assert.deepEqual(await mapper.find(mapping.location, soon()), mapping);
      assert.deepEqual(await mapper.list(soon()), [mapping]);
      assert.equal(await deviceSizeBytes(mapping.device), BigInt(64 * MiB));
      const [device] = await readNbdDevices(KERNEL_ROOTS.sys, KERNEL_ROOTS.proc);
      // Mapped over netlink: only then the kernel keeps it.
      assert.equal(device?.cookie, locationName(mapping.location));
      if (round > 1) assert.equal(await readSector(mapping.device), `round ${round - 1}`);
      await writeSector(mapping.device, `round ${round}`);
      await mapper.unmap(mapping, soon());
      assert.equal(await mapper.find(mapping.location, soon()), undefined);
      await mapper.unmap(mapping, soon());
    }
  });

  it('maps an image once, however often it is asked, and two images to two devices', async () => {
    const [request, other] = [await newImage(), await newImage()];
    const [first, second, different] = await Promise.all([
      mapper.map(request, soon()),
      mapper.map(request, soon()),
      mapper.map(other, soon()),
    ]);
    const third = await new NbdMapper({ exec: run, runtimeDir: KEYS }).map(request, soon());
    assert.deepEqual([second, third], [first, first]);
    assert.notEqual(different.device, first.device);
    assert.equal((await mapper.list(soon())).length, 2);
  });

  it('refuses to unmap what is mounted, which rbd-nbd would do: the data survives', async () => {
    const request = await newImage();
    const mapping = await mapper.map(request, soon());
    await makeExt4(mapping.device);
    await mounted(mapping.device, async (target) => {
      // Not synced: this is what a forced unmap loses.
      await put(target, 'not written yet', false);
      await refused(mapper.unmap(mapping, soon()), 'BERTH_UNMAP_BUSY', new RegExp(`mounted at ${target}`));
      assert.equal(await get(target), 'not written yet');
    });
    await mapper.unmap(mapping, soon());
    const again = await mapper.map(request, soon());
    await mounted(again.device, async (target) => assert.equal(await get(target), 'not written yet'));
  });

  it('needs no udevd', async () => {
    const request = await newImage();
    await withoutUdevd(async () => {
      const mapping = await mapper.map(request, soon());
      await writeSector(mapping.device, 'without udevd');
      await mapper.unmap(mapping, soon());
    });
  });

  it('maps read-only: nothing can be written', async () => {
    const request = await newImage();
    const writable = await mapper.map(request, soon());
    await writeSector(writable.device, 'before');
    await mapper.unmap(writable, soon());
    const mapping = await mapper.map({ ...request, readOnly: true }, soon());
    assert.equal(mapping.readOnly, true);
    assert.equal(await isDeviceReadOnly(mapping.device), true);
    await assert.rejects(writeSector(mapping.device, 'after'), /COMMAND_FAILED/);
    assert.equal(await readSector(mapping.device), 'before');
  });

  it('maps images with features that the kernel client refuses, and those of a rados namespace', async () => {
    const namespace = `nbd-${process.pid}`;
    await host.rbd('namespace', 'create', `${session.pool}/${namespace}`);
    const request = await newImage({ features: ['layering', 'exclusive-lock', 'journaling'], namespace });
    const mapping = await mapper.map(request, soon());
    assert.deepEqual(mapping.location, requestedLocation(request));
    await writeSector(mapping.device, 'journaled');
    assert.equal(await readSector(mapping.device), 'journaled');
  });

  it('sees a larger image without being mapped anew', async () => {
    const request = await newImage();
    const mapping = await mapper.map(request, soon());
    await makeExt4(mapping.device);
    await mounted(mapping.device, async (target) => {
      await put(target, 'under a mount', false);
      await host.rbd('resize', '--no-progress', '--size', '96M', specOf(request));
      await mapper.resized(mapping, BigInt(96 * MiB), soon());
      assert.equal(await deviceSizeBytes(mapping.device), BigInt(96 * MiB));
      assert.equal(await get(target), 'under a mount');
    });
  });

  it('goes on with a new daemon where the old one was killed: what was written meanwhile is not lost', async () => {
    const request = await newImage();
    const mapping = await mapper.map(request, soon());
    await makeExt4(mapping.device);
    await mounted(mapping.device, async (target) => {
      await put(target, 'before');
      const [device] = await readNbdDevices(KERNEL_ROOTS.sys, KERNEL_ROOTS.proc);
      process.kill(device!.server!, 'SIGKILL');
      const write = put(target, 'while nobody served it');
      assert.deepEqual(await mapper.map(request, soon()), mapping);
      await write;
      await refused(mapper.unmap(mapping, soon()), 'BERTH_UNMAP_BUSY', new RegExp(`mounted at ${target}`));
    });
    await mapper.unmap(mapping, soon());
    const again = await mapper.map(request, soon());
    await mounted(again.device, async (target) => assert.equal(await get(target), 'while nobody served it'));
  });

  it('frees a device whose daemon was killed, which rbd-nbd does not know any more', async () => {
    const mapping = await mapper.map(await newImage(), soon());
    const [device] = await readNbdDevices(KERNEL_ROOTS.sys, KERNEL_ROOTS.proc);
    process.kill(device!.server!, 'SIGKILL');
    await mapper.unmap(mapping, soon());
    await nothingIsLeft();
  });

  it('says that a key is wrong', async () => {
    const request = await newImage();
    const access = { ...request.image.access, key: new Secret('AQD0000000000BAAAAAAAAAAAAAAAAAAAAAAAA==') };
    const wrong: MapRequest = { ...request, image: { ...request.image, access } };
    await refused(mapper.map(wrong, soon()), 'BERTH_CLUSTER_AUTH_FAILED', new RegExp(access.user));
    assert.equal(await mapper.find(requestedLocation(request), soon()), undefined);
  });

  it('says that an image is missing', async () => {
    const request = await newImage();
    const missing: MapRequest = { ...request, image: { ...request.image, image: 'never-made' } };
    await refused(mapper.map(missing, soon()), 'BERTH_IMAGE_NOT_FOUND', /never-made/);
  });
});
