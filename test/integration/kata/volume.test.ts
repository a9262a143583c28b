/**
 * A filesystem volume for Kata through CSI: unmounted on the host, guarded at its target, recorded for the runtimes,
 * one pod at a time.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { mountAt, readMounts } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { asGuest, recordAt, recordsOf } from '../../kata/host.js';
import { RUNTIMES, take } from '../../../src/dev/guest/kata-runtimes.js';
import { refused } from '../csi/calls.js';
import { block, ext4, mount, RWO, RWOP, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('kata');
  driver = await site.driver('node-one').start();
});
afterEach(async () => {
  await site.endVolumes();
  expect(await readdir(driver.kataRecords).catch(() => []), 'records after all volumes have gone').toEqual([]);
});
afterAll(() => site.close());

const soon = (): Deadline => Deadline.after(60_000);
const kata = (
  capability = ext4(RWOP),
  parameters: Readonly<Record<string, string>> = { sandbox: 'kata' },
): Promise<Volume> => site.create(driver, capability, { sizeBytes: SMALL_BYTES, parameters });

const isMounted = async (device: string): Promise<boolean> => {
  const number = (await run('lsblk', ['-ndo', 'MAJ:MIN', device], { deadline: soon() })).stdout.trim();
  return (await readMounts()).some((one) => one.device === number);
};
/** A process that has the device open, as a monitor that outlives its pod; to be ended. */
async function holder(device: string): Promise<() => void> {
  const file = await open(device, 'r');
  const child = spawn('sleep', ['600'], { stdio: ['ignore', file.fd, 'ignore'] });
  await file.close();
  return () => void child.kill();
}

describe('NodePublish for Kata, a volume', () => {
  it('is a device in a record that every runtime of today reads, and a guard that nobody can write to', async () => {
    const volume = await kata();
    const target = await volume.bring(driver);
    const record = await recordAt(driver.kataRecords, target);
    const [loop] = (await findLoops()).filter(({ file }) => file.includes(volume.id.split('/').at(-1)!));
    expect(record).toMatchObject({ device: loop!.device, fstype: 'ext4', options: [], volume: volume.id });
    expect(await mountAt(target)).toMatchObject({ fsType: 'tmpfs', source: `berth:${volume.id}` });
    await expect(writeFile(path.join(target, 'x'), 'x')).rejects.toThrow(/EROFS/);
    expect(await isMounted(record.device)).toBe(false);
    const around = { records: driver.kataRecords, deviceReadOnly: false };
    for (const runtime of RUNTIMES.filter(({ oldSpelling, gateClosed }) => !oldSpelling && !gateClosed))
      expect(take(runtime, { source: target, readOnly: false }, around), runtime.name).toMatchObject({
        kind: 'device',
      });
    const secret = site.secrets('node');
    expect(JSON.stringify(record)).not.toContain(secret['userKey']);
  });

  it('holds the next pod what a guest wrote, from unpublish to unpublish and from stage to stage', async () => {
    const volume = await kata();
    const target = await volume.bring(driver);
    await asGuest({ ...(await recordAt(driver.kataRecords, target)), fsType: 'ext4' }, (at) => put(at, 'first'));
    await volume.unpublish(driver);
    expect(await recordsOf(driver.kataRecords)).toEqual([]);
    expect(await mountAt(target)).toBeUndefined();
    await expect(stat(target)).rejects.toThrow(/ENOENT/);
    const second = await volume.publish(driver, 'second');
    await asGuest({ ...(await recordAt(driver.kataRecords, second)), fsType: 'ext4' }, async (at) => {
      expect(await get(at)).toBe('first');
    });
    await volume.leave(driver);
    const third = await volume.bring(driver, 'third');
    await asGuest({ ...(await recordAt(driver.kataRecords, third)), fsType: 'ext4' }, async (at) => {
      expect(await get(at)).toBe('first');
    });
  });

  it('may be published, unpublished and unstaged again and again', async () => {
    const volume = await kata();
    const target = await volume.bring(driver);
    await volume.publish(driver);
    await volume.stage(driver);
    expect((await readMounts()).filter((one) => one.target === target)).toHaveLength(1);
    expect(await recordsOf(driver.kataRecords)).toHaveLength(1);
    for (let round = 0; round < 2; round += 1) await volume.unpublish(driver);
    for (let round = 0; round < 2; round += 1) await volume.unstage(driver);
  });

  it('that is read-only has a device that refuses writes, and is writable again for the next pod', async () => {
    const volume = await kata(ext4(RWO));
    await volume.attach(driver);
    await volume.stage(driver);
    const target = await volume.publish(driver, 'pod', { readonly: true });
    const { device, options } = await recordAt(driver.kataRecords, target);
    expect(options).toEqual(['ro']);
    expect((await run('blockdev', ['--getro', device], { deadline: soon() })).stdout).toBe('1');
    await volume.unpublish(driver);
    await volume.publish(driver, 'next');
    expect((await run('blockdev', ['--getro', device], { deadline: soon() })).stdout).toBe('0');
  });

  it('of a pod with an fsGroup says so in its record', async () => {
    const volume = await kata();
    await volume.attach(driver);
    await volume.stage(driver);
    const volumeCapability = {
      ...ext4(RWOP),
      mount: { fsType: 'ext4', mountFlags: ['noatime'], volumeMountGroup: '2000' },
    };
    const target = await volume.publish(driver, 'pod', { volumeCapability });
    expect(await recordAt(driver.kataRecords, target)).toMatchObject({
      options: ['noatime'],
      metadata: { fsGroup: '2000', fsGroupChangePolicy: 'OnRootMismatch' },
    });
  });

  it('in block mode is the device node, as for any pod', async () => {
    const volume = await kata(block(RWO));
    const target = await volume.bring(driver);
    expect((await stat(target)).isBlockDevice()).toBe(true);
    expect(await recordsOf(driver.kataRecords)).toEqual([]);
  });
});

describe('NodePublish for Kata, paths', () => {
  it('through a symbolic link have a record under both names, and lose both', async () => {
    const volume = await kata();
    await volume.attach(driver);
    await volume.stage(driver);
    const real = path.join(site.directory, 'real-root');
    const link = path.join(site.directory, 'linked-root');
    await mkdir(path.join(real, 'pod'), { recursive: true });
    await symlink(real, link);
    const targetPath = path.join(link, 'pod/mount');
    await volume.publish(driver, 'pod', { targetPath });
    const names = (await recordsOf(driver.kataRecords)).map((one) => one.path).sort();
    expect(names).toEqual([targetPath, path.join(real, 'pod/mount')].sort());
    // A second pod is refused, and takes none of them away.
    await refused(volume.publish(driver, 'second'), 'FAILED_PRECONDITION', /KATA_ONE_POD/);
    expect((await recordsOf(driver.kataRecords)).map((one) => one.path).sort()).toEqual(names);
    await driver.node.NodeUnpublishVolume({ volumeId: volume.id, targetPath });
    expect(await recordsOf(driver.kataRecords)).toEqual([]);
    expect(await mountAt(path.join(real, 'pod/mount'))).toBeUndefined();
  });

  it('may hold any character that a path can', async () => {
    const volume = await kata();
    await volume.attach(driver);
    await volume.stage(driver);
    const parent = path.join(site.directory, 'größe 体积 ~?>\\');
    await mkdir(parent, { recursive: true });
    const targetPath = path.join(parent, 'mount');
    await volume.publish(driver, 'pod', { targetPath });
    const around = { records: driver.kataRecords, deviceReadOnly: false };
    expect(take(RUNTIMES[2]!, { source: targetPath, readOnly: false }, around)).toMatchObject({ kind: 'device' });
  });

  it('too long for a record are refused before anything is made', async () => {
    const volume = await kata();
    await volume.attach(driver);
    await volume.stage(driver);
    const parent = path.join(site.directory, 'x'.repeat(190));
    await mkdir(parent);
    const targetPath = path.join(parent, 'mount');
    await refused(volume.publish(driver, 'pod', { targetPath }), 'INVALID_ARGUMENT', /Kata record/);
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('NodePublish for Kata, one pod', () => {
  it('has it alone, also where the access mode would allow two on a host', async () => {
    const volume = await kata(ext4(RWO));
    const first = await volume.bring(driver, 'one');
    const text = await refused(volume.publish(driver, 'two'), 'FAILED_PRECONDITION', /KATA_ONE_POD/);
    expect(text).toContain(first);
    expect(await recordsOf(driver.kataRecords)).toHaveLength(1);
    await volume.unpublish(driver, 'one');
    await volume.publish(driver, 'two');
  });

  it('that is dead leaves no record in the way of the next', async () => {
    const volume = await kata();
    const target = await volume.bring(driver, 'dead');
    // Its guard was unmounted by hand: the pod's directory was removed by force.
    await run('umount', [target], { deadline: soon() });
    const next = await volume.publish(driver, 'next');
    expect((await recordsOf(driver.kataRecords)).map((one) => one.path)).toEqual([next]);
  });

  it('of the host and one of a guest are never there together', async () => {
    const volume = await site.create(driver, ext4(RWO), { sizeBytes: SMALL_BYTES });
    await volume.bring(driver, 'host');
    const volumeContext = { sandbox: 'kata' };
    await refused(volume.publish(driver, 'guest', { volumeContext }), 'FAILED_PRECONDITION', /KATA_ONE_POD/);
    await volume.unpublish(driver, 'host');
    const target = await volume.publish(driver, 'guest', { volumeContext });
    expect(await isMounted((await recordAt(driver.kataRecords, target)).device)).toBe(false);
    await refused(volume.publish(driver, 'host'), 'FAILED_PRECONDITION', /KATA_ONE_POD/);
  });

  it('waits for the monitor of the one before, until the deadline, and names it', async () => {
    const volume = await kata();
    const target = await volume.bring(driver, 'first');
    const { device } = await recordAt(driver.kataRecords, target);
    const release = await holder(device);
    await volume.unpublish(driver, 'first');
    const text = await refused(volume.publish(driver, 'second'), 'FAILED_PRECONDITION', /VOLUME_IN_USE/);
    expect(text).toMatch(/sleep \(pid \d+\)/);
    expect(await recordsOf(driver.kataRecords)).toEqual([]);
    await refused(volume.unstage(driver), 'FAILED_PRECONDITION', /UNMAP_BUSY.*sleep \(pid \d+\)/);
    release();
    await volume.unstage(driver);
  }, 120_000);
});

describe('NodePublish on the host, a volume that a guest had: the host’s kernel', () => {
  it('does not mount what a guest has written, unless the volume says that it may', async () => {
    const volume = await kata();
    const target = await volume.bring(driver);
    await asGuest({ ...(await recordAt(driver.kataRecords, target)), fsType: 'ext4' }, (at) => put(at, 'of a guest'));
    await volume.leave(driver);
    expect(await site.metadata(volume.image)).toHaveProperty('berth.dev/guest');
    await volume.attach(driver);
    const refusing = { volumeContext: { sandbox: 'host' } };
    await volume.stage(driver, refusing);
    await refused(volume.publish(driver, 'pod', refusing), 'FAILED_PRECONDITION', /HOST_MOUNT_REFUSED/);
    await volume.unstage(driver);
    const allowing = { volumeContext: { sandbox: 'host', allowHostMount: 'true' } };
    await volume.stage(driver, allowing);
    expect(await get(await volume.publish(driver, 'pod', allowing))).toBe('of a guest');
  });

  it('may mount what guests have only read', async () => {
    const volume = await site.create(driver, ext4(RWO), { sizeBytes: SMALL_BYTES });
    await put(await volume.bring(driver), 'of the host');
    await volume.unpublish(driver);
    await volume.publish(driver, 'guest', { readonly: true, volumeContext: { sandbox: 'kata' } });
    await volume.unpublish(driver, 'guest');
    expect(await site.metadata(volume.image)).not.toHaveProperty('berth.dev/guest');
    expect(await get(await volume.publish(driver))).toBe('of the host');
  });

  it('gives a volume to the first pod that says, where the class says auto', async () => {
    const volume = await kata(ext4(RWO), { sandbox: 'auto' });
    await volume.attach(driver);
    const staging = await volume.stage(driver);
    expect(await mountAt(staging)).toBeUndefined();
    await put(await volume.publish(driver), 'mounted after all');
    expect(await mountAt(staging)).toMatchObject({ fsType: 'ext4' });
  });
});

describe('NodePublish on the host, an fsGroup', () => {
  it('owns the files of a pod of the host, and their directories hand it on', async () => {
    const volume = await site.create(driver, ext4(RWO), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(driver);
    await put(target, 'text', 'file');
    await chmod(path.join(target, 'file'), 0o600);
    await symlink('/etc/hostname', path.join(target, 'link'));
    const outside = (await stat('/etc/hostname')).gid;
    await volume.unpublish(driver);
    const volumeCapability = { ...mount('ext4', RWO), mount: { fsType: 'ext4', volumeMountGroup: '2000' } };
    await volume.publish(driver, 'pod', { volumeCapability });
    expect(await stat(path.join(target, 'file'))).toMatchObject({ gid: 2000, mode: 0o100660 });
    const root = await stat(target);
    expect([root.gid, root.mode & 0o2070]).toEqual([2000, 0o2070]);
    expect((await stat('/etc/hostname')).gid).toBe(outside);
  });
});
