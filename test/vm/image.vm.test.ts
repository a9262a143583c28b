/** The node plugin from the image's own root: its rbd, its kmod and its mount on the real kernel client. */
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageRoot } from '../../src/model/package-root.js';
import { readMounts } from '../../src/host/mount/mountinfo.js';
import { imageEnvironment, inImage, seenBy } from '../image/in-image.js';
import { get, put } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
import { mount, Volume } from './inside/volume.js';

let node: Node;

describe('a node plugin from the image', () => {
  before(async () => {
    const directory = path.join(session.state, 'image-node');
    // Memory: the disk of the state is small, and a layer of the image may grow.
    const scratch = '/run/berth-image';
    for (const one of [directory, scratch]) await mkdir(one, { recursive: true });
    const dockerfile = await readFile(path.join(packageRoot(), 'Dockerfile'), 'utf8');
    Object.assign(process.env, imageEnvironment(dockerfile));
    const within = inImage({ root: session.imageRoot, scratch, user: 'root', binds: [session.state] });
    node = await startNode('image-node', { within });
  });
  after(async () => {
    try {
      await nothingIsLeft();
    } catch (error) {
      process.stdout.write(await node.log());
      throw error;
    } finally {
      await node.stop();
    }
    await forget(node);
  });

  it('is the program of the image, on its Node and its libraries', async () => {
    assert.match(await readFile(`/proc/${node.driver.pid}/cmdline`, 'utf8'), /\/opt\/berth\/dist\/src\/main\.js/);
  });

  for (const [fsType, size] of [
    ['ext4', 64],
    ['xfs', 300],
  ] as const) {
    it(`maps by its own rbd, formats, mounts and unmaps ${fsType}, and the data is there again`, async () => {
      const volume = await Volume.create(node, mount(fsType), size * MiB, { mounter: 'krbd' });
      const target = await volume.bring();
      const seen = seenBy(node.driver.pid, target);
      await put(seen, 'from the first pod');
      const found = (await readMounts(`/proc/${node.driver.pid}/mountinfo`)).find((one) => one.target === target);
      assert.match(found?.source ?? 'nothing', /^\/dev\/rbd\d/);
      await volume.leave();
      await nothingIsLeft();
      assert.equal(await get(seenBy(node.driver.pid, await volume.bring())), 'from the first pod');
      await volume.leave();
      await volume.remove();
    });
  }
});
