/** Sick volumes on a cluster of their own: stats answer within their deadline and say what is wrong, whatever it is. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { adminOf } from '../../../src/dev/ceph/admin.js';
import { clusterUp, type Cluster } from '../../../src/dev/ceph/cluster.js';
import { runningDaemons } from '../../../src/dev/ceph/daemons.js';
import { clusterDown } from '../../../src/dev/ceph/down.js';
import { keyringOf, layoutOf } from '../../../src/dev/ceph/layout.js';
import { clearLeftovers } from '../../../src/dev/leftovers.js';
import { findProcesses, stopProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { forgetClients, scratchDirectory, watcherAddresses } from '../ceph.js';
import { block, bytes, ext4, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import { Driver } from './driver.js';
import { Volume } from './volume.js';

const soon = () => Deadline.after(60_000);
/** What the kubelet would never wait for. */
const HURRY_MS = 3_000;
let root: string;
let directory: string;
let cluster: Cluster;
let driver: Driver;
const volumes: Volume[] = [];

beforeAll(async () => {
  root = await scratchDirectory('sick');
  directory = path.join(root, 'ceph');
  cluster = await clusterUp(run, { directory }, Deadline.after(90_000));
  const users: Record<string, object> = {};
  for (const role of ['controller', 'node'] as const) {
    const keyFile = path.join(root, `${role}.key`);
    await writeFile(keyFile, cluster.users[role].key.reveal(), { mode: 0o600 });
    users[role] = { id: cluster.users[role].id, keyFile };
  }
  const clustersFile = path.join(root, 'clusters.yaml');
  const pools = [{ name: cluster.pools[0]!.name }];
  await writeFile(
    clustersFile,
    stringify({ clusters: [{ id: 'sick', monitors: [...cluster.monitors], pools, users }] }),
  );
  driver = await new Driver({ name: 'node', nodeId: 'sick-node', directory: root, clustersFile }).start();
});
afterEach(async () => {
  for (const volume of volumes.splice(0)) await vi.waitFor(() => volume.end(), { timeout: 90_000, interval: 2_000 });
});
afterAll(async () => {
  await driver.stop();
  await clearLeftovers(run, root, { fsid: cluster.fsid, lives: true }, soon());
  await clusterDown(directory, soon());
});

const admin = () => adminOf(run, layoutOf(directory));

async function create(capability: VolumeCapability, size = SMALL_BYTES): Promise<Volume> {
  const { volume } = await driver.controller.CreateVolume({
    ...{ name: `v-${volumes.length}-${Date.now()}`, volumeCapabilities: [capability], capacityRange: bytes(size) },
    parameters: { clusterID: 'sick', pool: cluster.pools[0]!.name },
  });
  const made = new Volume(volume!.volumeId, capability, driver, {});
  volumes.push(made);
  return made;
}

/** Who has its image open now. */
async function watchersOf({ image }: Volume): Promise<readonly string[]> {
  const { id } = JSON.parse(await admin().rbd(['info', image, '--format', 'json'], soon())) as { id: string };
  return watcherAddresses(admin(), { pool: cluster.pools[0]!.name, namespace: '', id });
}

/** The answer, and how long it took in ms. */
async function stats({ id }: Volume, volumePath: string) {
  const began = performance.now();
  const { usage, volumeCondition } = await driver.node.NodeGetVolumeStats({ volumeId: id, volumePath }, HURRY_MS);
  return { usage, ...volumeCondition!, ms: performance.now() - began };
}

function background(file: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('NodeGetVolumeStats, a volume that is well', () => {
  it.each([
    ['mounted', ext4()],
    ['raw', block()],
  ] as const)('%s has usage and a condition that says so, staged and published', async (_, capability) => {
    const volume = await create(capability);
    const target = await volume.bring(driver);
    for (const at of [target, await driver.stagingPath(volume.id)]) {
      const { usage, abnormal, message } = await stats(volume, at);
      expect({ abnormal, message }).toEqual({
        abnormal: false,
        message: expect.stringMatching(/^\/dev\/loop\d+ \(loop\) is well$/) as string,
      });
      expect(usage[0]).toMatchObject({ unit: 'BYTES' });
    }
  });
});

describe('NodeGetVolumeStats, an OSD that hangs (waits for its ten seconds)', () => {
  it('leaves every answer in time, and is told once nothing has moved for ten seconds, until it goes on', async () => {
    const volume = await create(ext4());
    const target = await volume.bring(driver);
    const well = await stats(volume, target);
    const osd = (await runningDaemons(layoutOf(directory))).osd!.pid;
    let isFrozen = true;
    const thaw = async (): Promise<void> => {
      if (!isFrozen) return;
      isFrozen = false;
      process.kill(osd, 'SIGCONT');
      // Frozen for longer than its leases (16 s, on a slow machine) a lone OSD of Ceph 16 answers nothing before it has
      // peered anew.
      await admin().ceph(['osd', 'down', '0'], soon());
    };
    process.kill(osd, 'SIGSTOP');
    try {
      const writer = background('dd', 'if=/dev/zero', `of=${target}/file`, 'bs=64k', 'count=8', 'oflag=direct');
      const ended = once(writer, 'exit');
      const until = performance.now() + 40_000;
      let last = await stats(volume, target);
      while (!last.abnormal && performance.now() < until) {
        await sleep(1_000);
        last = await stats(volume, target);
        expect(last.ms).toBeLessThan(HURRY_MS);
      }
      expect(last.message).toMatch(/\/dev\/loop\d+: \d+ requests in flight and none has ended for 1\d s/);
      // kubelet drops a condition without usage.
      expect(last.usage.map(({ unit }) => unit)).toEqual(['BYTES', 'INODES']);
      expect(last.usage[0]!.total).toBe(well.usage[0]!.total);
      expect((await driver.identity.Probe({}, HURRY_MS)).ready).not.toBeNull();
      await thaw();
      await ended;
    } finally {
      await thaw();
    }
    expect(await stats(volume, target)).toMatchObject({ abnormal: false });
  });
});

describe('NodeGetVolumeStats, a filesystem with errors', () => {
  it('of type ext4 is told by its own count', async () => {
    const volume = await create(ext4());
    const target = await volume.bring(driver);
    const device = path.basename((await mountAt(target))!.source);
    await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, 'a test');
    const { abnormal, message, usage } = await stats(volume, target);
    expect({ abnormal, usages: usage.length }).toEqual({ abnormal: true, usages: 2 });
    expect(message).toMatch(
      /its ext4 filesystem (counts 1 errors, the last in \w+ at 20|has (been made read-only|stopped))/,
    );
  });

  it('of type xfs is told when it has shut down', async () => {
    const volume = await create(xfs(), XFS_BYTES);
    const target = await volume.bring(driver);
    const stagingTargetPath = await driver.stagingPath(volume.id);
    await run('xfs_io', ['-x', '-c', 'shutdown', target], { deadline: soon() });
    const { abnormal, message, usage } = await stats(volume, target);
    expect(abnormal).toBe(true);
    expect(message).toMatch(/does not answer: EIO|has stopped writing after errors/);
    expect(usage[0]).toMatchObject({ unit: 'BYTES' });
    await volume.unpublish(driver);
    await driver.node.NodeUnstageVolume({ volumeId: volume.id, stagingTargetPath });
  });

  it('that was made read-only behind our back is told', async () => {
    const volume = await create(ext4());
    const target = await volume.bring(driver);
    await run('mount', ['-o', 'remount,ro', await driver.stagingPath(volume.id)], { deadline: soon() });
    expect(await stats(volume, target)).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/made read-only/) as string,
    });
  });
});

describe('NodeGetVolumeStats, the device’s daemon', () => {
  it('and died is told in time', async () => {
    const volume = await create(ext4());
    const target = await volume.bring(driver);
    await stats(volume, target);
    const pid = Number(await readFile(path.join(driver.stateDir, 'daemon.pid'), 'utf8'));
    await stopProcesses(await findProcesses((one) => one.pid === pid), 0, soon());
    const { abnormal, message, ms, usage } = await stats(volume, target);
    expect(abnormal).toBe(true);
    expect(message).toMatch(/its storage daemon has died/);
    expect(ms).toBeLessThan(HURRY_MS);
    expect(usage).not.toEqual([]);
    await forgetClients(admin(), await watchersOf(volume));
  });
});

describe('ControllerGetVolume and ListVolumes', () => {
  const condition = async ({ id }: Volume) =>
    (await driver.controller.ControllerGetVolume({ volumeId: id })).status!.volumeCondition!;

  it('image open by a second client, or by one that nobody allowed: abnormal', async () => {
    const volume = await create(ext4());
    expect(await condition(volume)).toEqual({ abnormal: false, message: 'attached to no node, open nowhere' });
    await volume.bring(driver);
    expect(await condition(volume)).toMatchObject({
      abnormal: false,
      message: expect.stringMatching(/^attached to sick-node, open at 127\./) as string,
    });
    const holder = await admin().rbd(['image-meta', 'get', volume.image, 'berth.dev/holder'], soon());
    const ours = await watchersOf(volume);
    const watcher = background(
      'rbd',
      '-c',
      layoutOf(directory).conf,
      '--id',
      'admin',
      '--keyring',
      keyringOf(layoutOf(directory), 'client.admin'),
      'watch',
      volume.image,
    );
    await expect
      .poll(() => condition(volume), { timeout: 60_000 })
      .toMatchObject({ abnormal: true, message: expect.stringMatching(/two writers/) as string });
    const ended = once(watcher, 'exit');
    watcher.kill('SIGTERM');
    await ended;
    const dead = (await watchersOf(volume)).filter((address) => !ours.includes(address));
    await forgetClients(admin(), dead);
    await admin().rbd(['image-meta', 'remove', volume.image, 'berth.dev/holder'], soon());
    expect(await condition(volume)).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/^attached to no node, yet open at/) as string,
    });
    await admin().rbd(['image-meta', 'set', volume.image, 'berth.dev/holder', holder.trim()], soon());
    const { entries } = await driver.controller.ListVolumes({});
    expect(entries.map(({ status }) => status?.volumeCondition?.abnormal)).toEqual([false]);
  });
});
