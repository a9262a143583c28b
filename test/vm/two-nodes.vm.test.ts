/**
 * Two guests as nodes, and one volume: a frozen node is fenced and never writes again, a slow one is left alone, a
 * healthy one keeps what it has.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { readKrbdDevices } from '../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { KERNEL_ROOTS } from '../../src/rbd/mapping/roots.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refusedByDriver } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB } from './inside/images.js';
import { Orchestra } from './inside/orchestra.js';
import { PairVolume } from './inside/pair.js';
import { session } from './inside/session.js';
import { PEER } from './wire.js';

const SIZE = 16 * MiB;
const BLOCKS = SIZE / 4096;
/** "Within seconds", where a guest is emulated beside another one, ms. */
const FENCE_MS = 60_000;
const PATIENCE_MS = 240_000;
const LOG = '/run/berth-vm-writer';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const NOTHING = { skip: session.guest ? false : 'it takes a second machine' };

const orchestra = new Orchestra();
let node: Node;

const bootIdOf = async (place: 'here' | 'peer'): Promise<string> =>
  (place === 'here' ? await readFile(BOOT_ID, 'utf8') : await host.askPeer('run', 'cat', BOOT_ID)).trim();

const healthy = async (): Promise<void> => {
  orchestra.node(PEER, { ready: 'True', bootId: await bootIdOf('peer') });
};

/**
 * Blocks all over the device, one after the other, each past the cache; how each ended is noted in the peer's memory.
 */
async function startWriter(device: string): Promise<void> {
  const dd = `dd of=${device} bs=4096 count=1 seek=$((n % ${BLOCKS})) conv=nocreat,sync,notrunc oflag=direct`;
  const write = `printf 'peer %s' $n | ${dd} 2>/dev/null && echo written >> ${LOG} || echo failed >> ${LOG}`;
  await host.askPeer(
    'background',
    `n=0; while [ ! -e ${LOG}-stop ]; do n=$((n + 1)); ${write}; done; echo over >> ${LOG}`,
  );
}

async function noted(what: 'written' | 'failed' | 'over'): Promise<number> {
  const text = await host.askPeer('run', 'sh', '-c', `grep -c ${what} ${LOG} || true`);
  return Number(text);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Deadline.after(PATIENCE_MS); ; ) {
    if (await holds()) return;
    if (deadline.expired) throw new Error(`not: ${what}; ${(await node.log()).slice(-3_000)}`);
    await sleep(500);
  }
}

async function stopWriter(): Promise<void> {
  await host.askPeer('run', 'touch', `${LOG}-stop`);
  await until('the writer has ended', async () => (await noted('over')) > 0);
  await host.askPeer('run', 'rm', '-f', LOG, `${LOG}-stop`);
}

/** Every byte of the image as this node's kernel reads it past the cache. */
async function checksum(device: string): Promise<string> {
  const read = `dd if=${device} bs=1M iflag=direct status=none | sha256sum`;
  return (await run('sh', ['-c', read], { deadline: Deadline.after(PATIENCE_MS) })).stdout;
}

const fill = (device: string): Promise<unknown> =>
  run(
    'sh',
    ['-c', `yes 'node two' | head -c ${SIZE} | dd of=${device} bs=1M iflag=fullblock oflag=direct status=none`],
    {
      deadline: Deadline.after(PATIENCE_MS),
    },
  );

const blocklist = (): Promise<string> => host.ceph('osd', 'blocklist', 'ls');

/** Of the kernel's client in this guest. */
function ownAddress(): string {
  const devices = readKrbdDevices(KERNEL_ROOTS.sys);
  return devices.find(({ location }) => location.fsid === session.fsid)?.clientAddress ?? '';
}

const peerAddress = (): Promise<string> =>
  host.askPeer('run', 'sh', '-c', 'cat /sys/bus/rbd/devices/*/client_addr').then((text) => text.trim());
const ipOf = (address: string): string => address.replace(/:\d+\/\d+$/, '');

describe('two nodes', NOTHING, () => {
  before(async () => {
    await orchestra.start();
    process.env['BERTH_KUBERNETES'] = orchestra.kubeconfig;
    node = await startNode('two-nodes');
    orchestra.node('two-nodes', { ready: 'True', bootId: await bootIdOf('here') });
    await host.startPeer();
  });
  beforeEach(healthy);
  after(async () => {
    await node.stop();
    await orchestra.stop();
    await nothingIsLeft();
    await forget(node);
  });

  it('a node that is well and has the volume staged keeps it against a forced detach until NodeUnstage', async () => {
    const volume = await PairVolume.create(node, SIZE);
    await volume.attach('peer');
    await startWriter(await volume.show('peer'));
    await until('the peer writes', async () => (await noted('written')) > 5);
    await refusedByDriver(volume.detach('peer'), status.ABORTED, /DETACH_UNPROVEN.*peer-node/);
    await refusedByDriver(volume.attach('here'), status.FAILED_PRECONDITION, /VOLUME_HELD.*peer-node/);
    await stopWriter();
    await volume.hide('peer');
    await volume.detach('peer');
    await volume.remove();
    assert.equal((await blocklist()).trim(), '');
  });

  it('a node that is merely slow is not fenced and loses nothing', async () => {
    const volume = await PairVolume.create(node, SIZE);
    await volume.attach('peer');
    await startWriter(await volume.show('peer'));
    await until('the peer writes', async () => (await noted('written')) > 5);
    const bootId = await bootIdOf('peer');
    await host.freeze('mon');
    for (const ready of ['Unknown', 'True', 'Unknown'] as const) {
      orchestra.node(PEER, { ready, bootId });
      await assert.rejects(volume.detach('peer'));
      await sleep(3_000);
    }
    await host.thaw('mon');
    await until('the monitor answers', () =>
      blocklist().then(
        () => true,
        () => false,
      ),
    );
    await refusedByDriver(volume.detach('peer'), status.ABORTED, /DETACH_UNPROVEN/);
    await healthy();
    const before = await noted('written');
    await until('the peer goes on', async () => (await noted('written')) > before + 5);
    assert.equal(await noted('failed'), 0);
    assert.equal((await blocklist()).trim(), '');
    await stopWriter();
    await volume.hide('peer');
    await volume.detach('peer');
    await volume.remove();
  });

  it('a frozen node loses the volume and never writes again; its neighbour does, and it comes back', async (t) => {
    const volume = await PairVolume.create(node, SIZE);
    const neighbour = await PairVolume.create(node, SIZE);
    await neighbour.attach('here');
    const beside = await neighbour.show('here');
    await volume.attach('peer');
    await startWriter(await volume.show('peer'));
    await until('the peer writes', async () => (await noted('written')) > 20);
    const address = await peerAddress();
    assert.equal(ipOf(address), ipOf(ownAddress()), 'both are behind one address');
    const bootId = await bootIdOf('peer');

    await host.suspendPeer();
    orchestra.node(PEER, { ready: 'Unknown', bootId, outOfService: true });
    const fenced = await volume.detachAtLast('peer', FENCE_MS);
    assert.ok((await blocklist()).includes(address), 'the recorded instance, and by its nonce');
    await volume.attach('here');
    const device = await volume.show('here');
    await fill(device);
    const before = await checksum(device);
    t.diagnostic(`detached after ${(fenced / 1000).toFixed(1)} s`);

    await host.resumePeer();
    await until('the peer’s writes fail', async () => (await noted('failed')) > 5);
    assert.equal(await checksum(device), before);
    await fill(beside);

    await host.rebootPeer();
    await healthy();
    assert.equal((await host.askPeer('run', 'ls', '/sys/bus/rbd/devices')).trim(), '');
    assert.ok((await blocklist()).includes(address), 'the client of before stays out for ever');
    assert.equal(await checksum(device), before);
    await volume.hide('here');
    await volume.detach('here');
    await volume.attach('peer');
    await startWriter(await volume.show('peer'));
    await until('the peer writes again', async () => (await noted('written')) > 5);
    assert.notEqual(await peerAddress(), address, 'by a new client');
    await stopWriter();
    await volume.hide('peer');
    await volume.detach('peer');
    await neighbour.hide('here');
    await neighbour.detach('here');
    for (const one of [volume, neighbour]) await one.remove();
  });
});
