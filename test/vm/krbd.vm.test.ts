/** KrbdMapper against the kernel that it was written for. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { deviceSizeBytes, isDeviceReadOnly } from '../../src/host/device/block-device.js';
import { run, type Exec } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { Secret } from '../../src/model/secret.js';
import { clientArguments, withKeyFile } from '../../src/rbd/mapping/ceph-client.js';
import { KrbdMapper } from '../../src/rbd/mapping/krbd/krbd-mapper.js';
import { requestedLocation } from '../../src/rbd/mapping/location-name.js';
import type { MapRequest } from '../../src/rbd/mapping/mapper.js';
import { get, makeExt4, mounted, put, readSector, soon, writeSector } from './inside/disk.js';
import { nothingIsLeft, refused } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB, newImage, removeImages, specOf } from './inside/images.js';
import { session } from './inside/session.js';
import { withoutUdevd } from './inside/udevd.js';

/** Command lines of all children. */
const children: string[] = [];
const exec: Exec = (file, args, options) => {
  children.push([file, ...args].join(' '));
  return run(file, args, options);
};
const KEYS = '/run/berth-vm-keys';
const mapper = new KrbdMapper({ exec, runtimeDir: KEYS });
/** More than any of its steps needs where nobody hangs, and less than a hang. */
const USUAL_MS = 30_000;

const unmapAll = async (): Promise<void> => {
  for (const mapping of await mapper.list()) {
    if (mapping.location.fsid === session.fsid) await mapper.unmap(mapping, soon());
  }
};

describe('the kernel client', () => {
  afterEach(unmapAll);
  after(async () => {
    await nothingIsLeft();
    await removeImages();
    rmSync(KEYS, { recursive: true, force: true });
  });

  it('can work here', async () => {
    assert.equal(await mapper.whyNot(), undefined);
    assert.equal(await mapper.limit(), 65_536);
  });

  it('maps, finds, lists and unmaps an image, three times over', async () => {
    const request = await newImage();
    for (const round of [1, 2, 3]) {
      const mapping = await mapper.map(request, soon());
      assert.match(mapping.device, /^\/dev\/rbd\d+$/);
      assert.deepEqual(mapping.location, requestedLocation(request));
      assert.equal(mapping.readOnly, false);
      assert.deepEqual(await mapper.find(mapping.location), mapping);
      assert.ok((await mapper.list()).some(({ device }) => device === mapping.device));
      assert.equal(await deviceSizeBytes(mapping.device), BigInt(64 * MiB));
      if (round > 1) assert.equal(await readSector(mapping.device), `round ${round - 1}`);
      await writeSector(mapping.device, `round ${round}`);
      await mapper.unmap(mapping, soon());
      assert.equal(await mapper.find(mapping.location), undefined);
      // Gone already is a success.
      await mapper.unmap(mapping, soon());
    }
  });

  it('maps an image of a rados namespace and tells it from its namesake', async () => {
    const namespace = `ns-${process.pid}`;
    await host.rbd('namespace', 'create', `${session.pool}/${namespace}`);
    const request = await newImage({ namespace });
    const mapping = await mapper.map(request, soon());
    assert.equal(mapping.location.namespace, namespace);
    assert.equal(await mapper.find({ ...mapping.location, namespace: '' }), undefined);
  });

  it('maps an image once, however often it is asked', async () => {
    const request = await newImage();
    const [first, second] = await Promise.all([mapper.map(request, soon()), mapper.map(request, soon())]);
    const third = await new KrbdMapper({ exec, runtimeDir: KEYS }).map(request, soon());
    assert.deepEqual([second, third], [first, first]);
    assert.equal((await mapper.list()).length, 1);
  });

  it('needs no udevd, where the rbd program by itself hangs', async () => {
    const request = await newImage();
    await withoutUdevd(async () => {
      const mapping = await mapper.map(request, Deadline.after(USUAL_MS));
      await makeExt4(mapping.device);
      await mounted(mapping.device, (target) => put(target, 'without udevd'));
      await mapper.unmap(mapping, Deadline.after(USUAL_MS));
      // The proof that udevd was really missed, and a mapping whose maker was killed: it is adopted, not doubled.
      await withKeyFile(KEYS, request.image.access.key, async (keyFile) => {
        const args = [...clientArguments(request.image.access, keyFile), 'map', specOf(request)];
        await refused(run('rbd', args, { deadline: Deadline.after(20_000) }), 'BERTH_DEADLINE');
      });
      const stray = await mapper.find(requestedLocation(request));
      assert.deepEqual(await mapper.map(request, soon()), stray);
      assert.equal((await mapper.list()).length, 1);
      await mapper.unmap(stray!, Deadline.after(USUAL_MS));
    });
  });

  it('refuses to unmap what is mounted, and says where', async () => {
    const mapping = await mapper.map(await newImage(), soon());
    await makeExt4(mapping.device);
    await mounted(mapping.device, async (target) => {
      await put(target, 'still here');
      await refused(mapper.unmap(mapping, soon()), 'BERTH_UNMAP_BUSY', new RegExp(`mounted at ${target}`));
      assert.equal(await get(target), 'still here');
    });
    await mapper.unmap(mapping, soon());
  });

  it('cuts off what is mounted: errors at once, nothing more reaches the image, and it is mapped anew', async () => {
    const request = await newImage();
    const mapping = await mapper.map(request, soon());
    await makeExt4(mapping.device);
    await mounted(mapping.device, async (target) => {
      await put(target, 'before');
      await writeFile(path.join(target, 'other'), 'never written back');
      await mapper.cutOff(mapping, Deadline.after(USUAL_MS));
      await mapper.cutOff(mapping, soon());
      assert.equal(await mapper.find(mapping.location), undefined);
      await assert.rejects(put(target, 'after'), /EIO|EROFS|ENXIO|ENODEV/);
    });
    const anew = await mapper.map(request, soon());
    await mounted(anew.device, async (target) => assert.equal(await get(target), 'before'));
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

  it('names the features that it cannot do before anything is mapped', async () => {
    const features = ['layering', 'exclusive-lock', 'journaling'];
    const request = await newImage({ features });
    children.length = 0;
    await refused(mapper.map(request, soon()), 'BERTH_FEATURES_UNSUPPORTED', /journaling/);
    assert.deepEqual(children, []);
    // Not told of the feature beforehand it is the kernel that refuses, with the same error.
    await refused(mapper.map({ ...request, features: ['layering'] }, soon()), 'BERTH_FEATURES_UNSUPPORTED');
    assert.equal(await mapper.find(requestedLocation(request)), undefined);
  });

  it('sees a larger image without being mapped anew', async () => {
    const request = await newImage();
    const mapping = await mapper.map(request, soon());
    await host.rbd('resize', '--no-progress', '--size', '96M', specOf(request));
    await mapper.resized(mapping, BigInt(96 * MiB), soon());
    assert.equal(await deviceSizeBytes(mapping.device), BigInt(96 * MiB));
  });

  it('says that a key is wrong', async () => {
    const request = await newImage();
    const access = { ...request.image.access, key: new Secret('AQD0000000000BAAAAAAAAAAAAAAAAAAAAAAAA==') };
    const wrong: MapRequest = { ...request, image: { ...request.image, access } };
    await refused(mapper.map(wrong, soon()), 'BERTH_CLUSTER_AUTH_FAILED', new RegExp(access.user));
    assert.equal(await mapper.find(requestedLocation(request)), undefined);
  });

  it('says that an image is missing', async () => {
    const request = await newImage();
    const missing: MapRequest = { ...request, image: { ...request.image, image: 'never-made' } };
    await refused(mapper.map(missing, soon()), 'BERTH_IMAGE_NOT_FOUND', /never-made/);
    const nowhere: MapRequest = { ...request, image: { ...request.image, pool: 'no-such-pool' } };
    await refused(mapper.map(nowhere, soon()), 'BERTH_POOL_NOT_FOUND', /no-such-pool/);
  });

  it('names no key to anybody', () => {
    const key = session.users.node.key;
    assert.deepEqual(
      children.filter((line) => line.includes(key)),
      [],
    );
  });
});
