/**
 * CSI 1.12, Node: stage and publish by the letter, for each access mode, as often as an orchestrator likes to repeat
 * them.
 */
import { mkdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountAt, readMounts } from '../../../src/host/mount/mountinfo.js';
import type { AccessMode } from '../../../src/model/capability.js';
import { refused } from './calls.js';
import { block, ext4, mount, ROX, RWO, RWOP, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('node');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const small = { sizeBytes: SMALL_BYTES };
const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
const below = async (directory: string) => (await readMounts()).filter(({ target }) => target.startsWith(directory));

describe('NodeGetInfo and NodeGetCapabilities', () => {
  it('has the id that it was given and a real limit of volumes', async () => {
    const { nodeId, maxVolumesPerNode } = await driver.node.NodeGetInfo({});
    expect(nodeId).toBe(driver.nodeId);
    expect(Number(maxVolumesPerNode)).toBeGreaterThan(0);
    expect(Number(maxVolumesPerNode)).toBeLessThan(100_000);
  });

  it('offers exactly what works', async () => {
    const { capabilities } = await driver.node.NodeGetCapabilities({});
    const all = [
      'EXPAND_VOLUME',
      'GET_VOLUME_STATS',
      'SINGLE_NODE_MULTI_WRITER',
      'STAGE_UNSTAGE_VOLUME',
      'VOLUME_CONDITION',
      'VOLUME_MOUNT_GROUP',
    ];
    expect(capabilities.map(({ rpc }) => rpc?.type).sort()).toEqual(all);
  });

  it('keeps to a lower limit that it was given, and says so before it is broken', async () => {
    const one = site.driver('one-only', { arguments: ['--max-volumes-per-node', '1'] });
    await one.start();
    expect((await one.node.NodeGetInfo({})).maxVolumesPerNode).toBe('1');
    const first = await site.create(one, block(), small);
    const second = await site.create(one, block(), small);
    for (const volume of [first, second]) await volume.attach(one);
    await first.stage(one);
    await first.stage(one);
    await refused(second.stage(one), 'RESOURCE_EXHAUSTED', /limit/);
    await first.unstage(one);
    await second.stage(one);
  });
});

describe('every node RPC, required fields', () => {
  it('are asked for by stage, unstage, publish, unpublish, stats and expand', async () => {
    const { node } = driver;
    const at = { stagingTargetPath: '/nowhere/staging', targetPath: '/nowhere/target', volumePath: '/nowhere/path' };
    const all = { volumeId: 'x', volumeCapability: ext4(), ...at };
    const calls: readonly (readonly [(request: typeof all) => Promise<unknown>, readonly (keyof typeof all)[]])[] = [
      [(request) => node.NodeStageVolume(request), ['volumeId', 'stagingTargetPath', 'volumeCapability']],
      [(request) => node.NodeUnstageVolume(request), ['volumeId', 'stagingTargetPath']],
      [(request) => node.NodePublishVolume(request), ['volumeId', 'targetPath', 'volumeCapability']],
      [(request) => node.NodeUnpublishVolume(request), ['volumeId', 'targetPath']],
      [(request) => node.NodeGetVolumeStats(request), ['volumeId', 'volumePath']],
      [(request) => node.NodeExpandVolume(request), ['volumeId', 'volumePath']],
    ];
    for (const [call, fields] of calls) {
      for (const field of fields) {
        const rest = Object.fromEntries(Object.entries(all).filter(([name]) => name !== field)) as typeof all;
        const spelled = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
        await refused(call(rest), 'INVALID_ARGUMENT', new RegExp(spelled));
      }
    }
  });

  it('cannot be replaced by a capability without mode or without access type', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.attach(driver);
    for (const volumeCapability of [
      { mount: {} },
      { accessMode: { mode: RWO } },
      { ...ext4(), accessMode: { mode: 0 } },
    ] as const) {
      await refused(volume.stage(driver, { volumeCapability }), 'INVALID_ARGUMENT');
    }
  });
});

describe('NodeStage and NodeUnstage', () => {
  it('may be repeated ten times; the volume is mapped once and mounted once', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    await volume.attach(driver);
    const staging = await volume.stage(driver);
    const first = await mountAt(staging);
    for (let times = 0; times < 9; times += 1) await volume.stage(driver);
    expect(await below(staging)).toEqual([first]);
    for (let times = 0; times < 11; times += 1) await volume.unstage(driver);
    expect(await mountAt(staging)).toBeUndefined();
    expect(await exists(staging), 'the staging directory is the orchestrator’s').toBe(true);
  });

  it('need no volume to be unstaged, whatever the id and the path are', async () => {
    const staging = path.join(site.directory, 'shared-staging');
    await mkdir(staging, { recursive: true });
    const never = await site.create(driver, ext4(), small);
    for (const volumeId of ['fake-vol-id', 'x/y/z', never.id]) {
      for (const stagingTargetPath of [staging, path.join(site.directory, 'no', 'such', 'path')]) {
        await driver.node.NodeUnstageVolume({ volumeId, stagingTargetPath });
        await driver.node.NodeUnpublishVolume({ volumeId, targetPath: path.join(stagingTargetPath, 'target') });
      }
    }
    expect(await exists(staging)).toBe(true);
  });

  it('on a staging path that another volume uses leave that volume alone', async () => {
    const [mine, other] = [await site.create(driver, ext4(), small), await site.create(driver, ext4(), small)];
    await mine.attach(driver);
    const stagingTargetPath = await mine.stage(driver);
    for (const volumeId of [other.id, 'fake-vol-id']) {
      // Success or NOT_FOUND: the contract allows both, the other volume's mount must survive either.
      await driver.node.NodeUnstageVolume({ volumeId, stagingTargetPath }).catch(() => undefined);
    }
    expect(await mountAt(stagingTargetPath)).toMatchObject({ fsType: 'ext4' });
    await other.attach(driver);
    await refused(other.stage(driver, { stagingTargetPath }), [
      'FAILED_PRECONDITION',
      'ALREADY_EXISTS',
      'INVALID_ARGUMENT',
    ]);
    expect(await below(stagingTargetPath)).toHaveLength(1);
  });

  it('know volumes that are not there, and those that another node holds', async () => {
    const volume = await site.create(driver, ext4(), small);
    const two = await site.driver('node-two').start();
    await volume.attach(driver);
    await refused(volume.stage(two), 'FAILED_PRECONDITION', new RegExp(driver.nodeId));
    await refused(volume.stage(driver, { volumeId: volume.id.replace(/[^/]+$/, 'berth-gone') }), 'NOT_FOUND');
    await refused(volume.stage(driver, { volumeId: 'unknown' }), 'NOT_FOUND');
  });

  it('refuse the same volume in another way while it is staged', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.attach(driver);
    await volume.stage(driver);
    for (const volumeCapability of [block(), xfs(), ext4(RWO, ['noatime']), ext4(RWOP)]) {
      await refused(volume.stage(driver, { volumeCapability }), ['ALREADY_EXISTS', 'INVALID_ARGUMENT']);
    }
    const stagingTargetPath = path.join(site.directory, 'second-staging');
    await mkdir(stagingTargetPath);
    await refused(volume.stage(driver, { stagingTargetPath }), 'ALREADY_EXISTS');
    expect(await mountAt(stagingTargetPath)).toBeUndefined();
  });

  it('do not take a volume away while it is published', async () => {
    const volume = await site.create(driver, ext4(), small);
    const target = await volume.bring(driver);
    await refused(volume.unstage(driver), 'FAILED_PRECONDITION', /published|in use/);
    expect(await mountAt(target)).toMatchObject({ fsType: 'ext4' });
  });
});

describe('NodePublish and NodeUnpublish', () => {
  it('may be repeated; the target is made, shows the volume once, and is gone afterwards', async () => {
    const volume = await site.create(driver, ext4(), small);
    const target = await volume.bring(driver);
    for (let times = 0; times < 9; times += 1) await volume.publish(driver);
    expect(await below(target)).toHaveLength(1);
    for (let times = 0; times < 11; times += 1) await volume.unpublish(driver);
    expect(await exists(target)).toBe(false);
    expect(await exists(path.dirname(target)), 'the parent is the orchestrator’s').toBe(true);
  });

  it('want the volume staged, at the path that is named', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.attach(driver);
    await refused(volume.publish(driver), 'FAILED_PRECONDITION', /staged/);
    await volume.stage(driver);
    await refused(volume.publish(driver, 'pod', { stagingTargetPath: '' }), 'FAILED_PRECONDITION', /staging/);
    const elsewhere = path.join(site.directory, 'elsewhere');
    await refused(volume.publish(driver, 'pod', { stagingTargetPath: elsewhere }), [
      'FAILED_PRECONDITION',
      'NOT_FOUND',
    ]);
    await refused(volume.publish(driver, 'pod', { volumeId: 'unknown' }), ['NOT_FOUND', 'FAILED_PRECONDITION']);
    expect(await exists(await driver.targetPath(volume.id, 'pod'))).toBe(false);
  });

  it('follow the specification where a path belongs to another volume', async () => {
    const [mine, other] = [await site.create(driver, ext4(), small), await site.create(driver, ext4(), small)];
    const target = await mine.bring(driver);
    await other.attach(driver);
    await other.stage(driver);
    await refused(other.publish(driver, 'pod', { targetPath: target }), ['FAILED_PRECONDITION', 'ALREADY_EXISTS']);
    await driver.node.NodeUnpublishVolume({ volumeId: other.id, targetPath: target }).catch(() => undefined);
    await driver.node.NodeUnpublishVolume({ volumeId: 'fake', targetPath: target }).catch(() => undefined);
    expect(await below(target)).toHaveLength(1);
  });

  /** Same target or another (T), same arguments or others (P): CSI 1.12, NodePublishVolume. */
  const table: readonly (readonly [AccessMode, 'mount' | 'block', boolean])[] = [
    [RWO, 'mount', true],
    [RWO, 'block', true],
    [ROX, 'mount', true],
    [RWX, 'block', true],
    [RWOP, 'mount', false],
    [RWOP, 'block', false],
    ['SINGLE_NODE_WRITER', 'mount', false],
    ['SINGLE_NODE_READER_ONLY', 'block', false],
  ];
  it.each(table)('answer a second target of %s (%s) by the table, many allowed: %s', async (mode, kind, many) => {
    const isReader = mode.endsWith('READER_ONLY');
    const volume = await site.create(driver, kind === 'block' ? block(RWO) : ext4(RWO), small);
    if (isReader && kind === 'mount') {
      // A reader cannot be the first: nothing formats for it.
      await volume.bring(driver);
      await volume.leave(driver);
    }
    const volumeCapability = kind === 'block' ? block(mode) : ext4(mode);
    const as = { volumeCapability };
    await volume.attach(driver, as);
    await volume.stage(driver, as);
    const target = await volume.publish(driver, 'first', as);
    await volume.publish(driver, 'first', as);
    if (!isReader) await refused(volume.publish(driver, 'first', { ...as, readonly: true }), 'ALREADY_EXISTS');
    const second = volume.publish(driver, 'second', as);
    if (many) await second;
    else await refused(second, 'FAILED_PRECONDITION');
    if (!many) expect(await exists(await driver.targetPath(volume.id, 'second'))).toBe(false);
    if (!many) await refused(volume.publish(driver, 'second', { ...as, readonly: true }), 'FAILED_PRECONDITION');
    if (many && kind === 'mount') await volume.publish(driver, 'third', { ...as, readonly: true });
    expect(await mountAt(target)).toBeDefined();
    if (many) return;
    await volume.unpublish(driver, 'first');
    await volume.publish(driver, 'second', as);
  });

  it('refuse the same target with another access mode, filesystem or set of mount flags', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.bring(driver);
    for (const volumeCapability of [ext4(RWOP), ext4(RWO, ['noatime'])]) {
      await refused(volume.publish(driver, 'pod', { volumeCapability }), 'ALREADY_EXISTS');
    }
    for (const volumeCapability of [xfs(), block()]) {
      await refused(volume.publish(driver, 'pod', { volumeCapability }), ['ALREADY_EXISTS', 'FAILED_PRECONDITION']);
    }
  });

  it('make a file of the target for a block volume', async () => {
    const volume = await site.create(driver, block(), small);
    const target = await volume.bring(driver);
    expect((await stat(target)).isBlockDevice()).toBe(true);
    await volume.unpublish(driver);
    expect(await exists(target)).toBe(false);
  });
});

describe('NodeGetVolumeStats', () => {
  it('answers NOT_FOUND where the volume is not, also for a relative path', async () => {
    const volume = await site.create(driver, ext4(), small);
    const target = await volume.bring(driver);
    const ask = (volumeId: string, volumePath: string) => driver.node.NodeGetVolumeStats({ volumeId, volumePath });
    await refused(ask(volume.id, 'some/path'), 'NOT_FOUND');
    await refused(ask(volume.id, '/'), 'NOT_FOUND');
    await refused(ask(volume.id, site.directory), 'NOT_FOUND');
    await refused(ask('unknown', target), 'NOT_FOUND');
    await volume.unpublish(driver);
    await refused(ask(volume.id, target), 'NOT_FOUND');
  });

  it('tells bytes and inodes of a filesystem as statfs does, and the size of a block device', async () => {
    const files = await site.create(driver, ext4(), small);
    const target = await files.bring(driver);
    const usageOf = async (volumeId: string, volumePath: string) =>
      (await driver.node.NodeGetVolumeStats({ volumeId, volumePath })).usage;
    const { bsize, blocks, bfree, bavail, files: inodes, ffree } = await statfs(target);
    expect(await usageOf(files.id, target)).toEqual([
      {
        unit: 'BYTES',
        total: String(blocks * bsize),
        used: String((blocks - bfree) * bsize),
        available: String(bavail * bsize),
      },
      { unit: 'INODES', total: String(inodes), used: String(inodes - ffree), available: String(ffree) },
    ]);
    const raw = await site.create(driver, block(), small);
    const device = await raw.bring(driver);
    expect(await usageOf(raw.id, device)).toMatchObject([{ unit: 'BYTES', total: String(SMALL_BYTES) }]);
  });
});

describe('NodeExpandVolume', () => {
  it('knows what is not there, and works without capability and range', async () => {
    const volume = await site.create(driver, block(), small);
    const target = await volume.bring(driver);
    const ask = (volumeId: string, volumePath: string) => driver.node.NodeExpandVolume({ volumeId, volumePath });
    await refused(ask('unknown', 'some/path'), 'NOT_FOUND');
    await refused(ask(volume.id, 'some/path'), 'NOT_FOUND');
    await refused(ask('unknown', target), 'NOT_FOUND');
    expect((await ask(volume.id, target)).capacityBytes).toBe(String(SMALL_BYTES));
    const more = { capacityRange: { requiredBytes: String(2 * SMALL_BYTES) } };
    await refused(driver.node.NodeExpandVolume({ volumeId: volume.id, volumePath: target, ...more }), 'OUT_OF_RANGE');
  });
});

describe('NodeStage, filesystems', () => {
  it('are ext4 where nobody names one, and refused where nobody knows them', async () => {
    const volume = await site.create(driver, mount(''), small);
    const target = await volume.bring(driver);
    expect(await mountAt(target)).toMatchObject({ fsType: 'ext4' });
    for (const fsType of ['btrfs', 'EXT4', 'ext4 ', 'nfs']) {
      await refused(driver.controller.CreateVolume(site.request(mount(fsType))), 'INVALID_ARGUMENT');
    }
  });
});
