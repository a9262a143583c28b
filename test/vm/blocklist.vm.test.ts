/** The cluster throws the node's kernel client out while volumes are mounted: calls answer, say so, and clean up. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { mountAt } from '../../src/host/mount/mountinfo.js';
import { readKrbdDevices } from '../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { get, put } from './inside/disk.js';
import { childrenOf, forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
import { block, mount, Volume } from './inside/volume.js';

const PROMPT_MS = 30_000;
const NOTICE_MS = 60_000;

let node: Node;

/** Addresses of the kernel's clients of this cluster, as the monitors know them. */
function clients(): ReadonlySet<string> {
  const devices = readKrbdDevices(KERNEL_ROOTS.sys);
  const ours = devices.filter(({ location }) => location.fsid === session.fsid);
  return new Set(ours.map(({ clientAddress }) => clientAddress));
}

/** Blocklist them all, and wait until the kernel has noticed: `target` takes no synced write any more. */
async function evict(target: string): Promise<void> {
  for (const address of clients()) await host.ceph('osd', 'blocklist', 'add', address, '3600');
  const until = performance.now() + NOTICE_MS;
  for (;;) {
    const written = await put(target, 'lost').then(
      () => true,
      () => false,
    );
    if (!written) return;
    assert.ok(performance.now() < until, 'the kernel goes on writing');
    await sleep(200);
  }
}

describe('a node whose kernel client was blocklisted', () => {
  before(async () => {
    node = await startNode('evicted-node');
  });
  after(async () => {
    await node.stop();
    await nothingIsLeft();
    await forget(node);
  });

  it('answers stats, says blocklisted to an expand, cleans up, and takes the volume again', async () => {
    const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter: 'krbd' });
    const target = await volume.bring();
    await put(target, 'synced before');
    await evict(target);
    assert.ok((await volume.stats('pod', PROMPT_MS)) > 0);
    await refusedByDriver(volume.expand(64 * MiB), status.UNAVAILABLE, /CLIENT_EVICTED.*blocklisted/);
    await volume.unpublish('pod', PROMPT_MS);
    await volume.unstage(PROMPT_MS);
    await nothingIsLeft();
    assert.equal(await mountAt(volume.staging), undefined);
    // A client of its own again, while the old one is still on the list.
    await volume.stage();
    assert.notEqual(await get(volume.staging), '');
    await put(volume.staging, 'written after');
    await volume.unstage();
    await volume.detach();
    await volume.remove();
    assert.deepEqual(await childrenOf(node), []);
  });

  it('stages other volumes while mappings of the client that was thrown out are still there', async () => {
    const evicted = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter: 'krbd' });
    const target = await evicted.bring();
    await evict(target);
    const volume = await Volume.create(node, block, 32 * MiB, { mounter: 'krbd' });
    await volume.bring();
    assert.equal(clients().size, 2);
    for (const one of [volume, evicted]) {
      await one.leave();
      await one.remove();
    }
  });

  it('does not go on with a mapping of the client that was thrown out', async () => {
    const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter: 'krbd' });
    await put(await volume.bring(), 'synced before');
    const [before] = clients();
    await evict(volume.target('pod'));
    await volume.unpublish();
    // As after a reboot of the plugin in the middle of an unstage: unmounted, and still mapped.
    await volume.unmountOnly();
    await volume.stage();
    const [now] = clients();
    assert.notEqual(now, before);
    await volume.leave();
    await volume.remove();
  });
});
