/** A volume's life on two nodes: the bytes that a pod wrote are there wherever the volume goes, and nowhere else. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { refused } from './calls.js';
import { block, ext4, MiB, mount, ROX, RWO, RWOP, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { get, hashOf, hasSector, payload, put, putSector } from './files.js';
import { Site } from './site.js';

let site: Site;
let one: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('life');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

const sizeFor = (fsType: string): number => (fsType === 'xfs' ? XFS_BYTES : 64 * MiB);

describe('NodeStage and NodePublish, a filesystem volume', () => {
  it.each(['xfs', 'ext4'])('(%s) carries its data to a second node, and back', async (fsType) => {
    const volume = await site.create(one, mount(fsType), { sizeBytes: sizeFor(fsType) });
    const target = await volume.bring(one);
    expect(await mountAt(target)).toMatchObject({ fsType });
    const { text, hash } = payload(3 * MiB, fsType);
    await put(target, text);
    await refused(volume.attach(two), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await volume.leave(one);
    const there = await volume.bring(two);
    expect(hashOf(await get(there))).toBe(hash);
    await put(there, 'second node was here', 'second');
    await volume.leave(two);
    const back = await volume.bring(one);
    expect(await get(back, 'second')).toBe('second node was here');
  });

  it('is one filesystem for two pods on its node', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const [first, second] = [await volume.bring(one, 'first'), await volume.publish(one, 'second')];
    await put(first, 'from the first pod');
    expect(await get(second)).toBe('from the first pod');
    await volume.unpublish(one, 'first');
    await put(second, 'still writable', 'later');
    expect(await get(second, 'later')).toBe('still writable');
  });

  it('is refused to a second pod with ReadWriteOncePod until the first has gone', async () => {
    const volume = await site.create(one, ext4(RWOP), { sizeBytes: SMALL_BYTES });
    const first = await volume.bring(one, 'first');
    await refused(volume.publish(one, 'second'), 'FAILED_PRECONDITION', new RegExp(first));
    await volume.unpublish(one, 'first');
    await put(await volume.publish(one, 'second'), 'mine now');
  });

  it('shown read-only to one pod stays writable for the other', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const writer = await volume.bring(one, 'writer');
    const reader = await volume.publish(one, 'reader', { readonly: true });
    await put(writer, 'news');
    expect(await get(reader)).toBe('news');
    await expect(put(reader, 'no')).rejects.toThrow(/EROFS/);
    await put(writer, 'more news');
  });

  it('attached read-only is mounted read-only and writes nothing to the image', async () => {
    const volume = await site.create(one, xfs(), { sizeBytes: XFS_BYTES });
    await put(await volume.bring(one), 'kept');
    await volume.leave(one);
    await volume.attach(one, { readonly: true });
    await volume.stage(one);
    const target = await volume.publish(one, 'pod', { readonly: true });
    expect(await get(target)).toBe('kept');
    await expect(put(target, 'no')).rejects.toThrow(/EROFS/);
    await refused(volume.publish(one, 'writer'), 'FAILED_PRECONDITION', /read-only/);
  });

  it('is read by two nodes at the same time with ReadOnlyMany, once its writer has left', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await put(await volume.bring(one), 'for everybody');
    const many = { volumeCapability: ext4(ROX) };
    await refused(volume.attach(two, many), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await volume.leave(one);
    const targets = [];
    for (const node of [one, two]) {
      await volume.attach(node, many);
      await volume.stage(node, many);
      targets.push(await volume.publish(node, 'pod', many));
    }
    for (const target of targets) {
      expect(await get(target)).toBe('for everybody');
      await expect(put(target, 'no')).rejects.toThrow(/EROFS/);
    }
    await refused(volume.attach(two, { volumeCapability: ext4(RWO) }), ['ALREADY_EXISTS', 'FAILED_PRECONDITION']);
  });

  it('is never made by a reader: an empty volume cannot be staged read-only', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const many = { volumeCapability: ext4(ROX) };
    await volume.attach(one, many);
    await refused(volume.stage(one, many), 'FAILED_PRECONDITION', /read-only/);
    await volume.detach(one);
    await volume.bring(one);
  });

  it('keeps mount flags and mkfs options', async () => {
    const parameters = { mkfsOptions: '-b 1024 -N 64 -m 0' };
    const volume = await site.create(one, ext4(RWO, ['noatime', 'commit=30']), { sizeBytes: SMALL_BYTES, parameters });
    const target = await volume.bring(one);
    const found = await mountAt(target);
    expect(found!.options).toContain('noatime');
    expect(found!.superOptions).toContain('commit=30');
    const { stdout } = await run('dumpe2fs', ['-h', found!.source], { deadline: Deadline.after(10_000) });
    expect(stdout).toMatch(/^Block size:\s+1024$/m);
    expect(stdout).toMatch(/^Reserved block count:\s+0$/m);
    expect(stdout).toMatch(/^Inode count:\s+(64|96|128)$/m);
  });

  it('is refused with mount flags that the filesystem does not know, and can be staged without them', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.attach(one);
    const bad = { volumeCapability: ext4(RWO, ['no-such-option=1']) };
    const text = await refused(volume.stage(one, bad), ['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'INTERNAL']);
    expect(text).toMatch(/option|mount/);
    expect(await mountAt(await one.stagingPath(volume.id))).toBeUndefined();
    await volume.stage(one);
  });

  it('can be published where the target is an empty directory already', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    const targetPath = await one.targetPath(volume.id, 'pod');
    await mkdir(targetPath);
    await put(await volume.bring(one), 'here');
    await volume.unpublish(one);
    expect(await readdir(path.dirname(targetPath))).toEqual([]);
  });
});

describe('NodeStage and NodePublish, a raw block volume', () => {
  it('is a device whose bytes go to a second node', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    const device = await volume.bring(one);
    expect((await stat(device)).isBlockDevice()).toBe(true);
    await putSector(device, 0, 'first');
    await putSector(device, SMALL_BYTES - 4096, 'last');
    await volume.leave(one);
    const there = await volume.bring(two);
    expect(await hasSector(there, 0, 'first')).toBe(true);
    expect(await hasSector(there, SMALL_BYTES - 4096, 'last')).toBe(true);
  });

  it('published read-only really refuses writes, and writable again takes them', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    await putSector(await volume.bring(one), 0, 'before');
    await volume.unpublish(one);
    const device = await volume.publish(one, 'reader', { readonly: true });
    await expect(putSector(device, 0, 'after')).rejects.toThrow(/EACCES|EPERM|EROFS/);
    expect(await hasSector(device, 0, 'before')).toBe(true);
    await volume.unpublish(one, 'reader');
    const again = await volume.publish(one, 'writer');
    await putSector(again, 0, 'after');
    expect(await hasSector(again, 0, 'after')).toBe(true);
  });

  it('with a reader mode is read-only on every node', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    await putSector(await volume.bring(one), 0, 'kept');
    await volume.leave(one);
    const many = { volumeCapability: block(ROX) };
    for (const node of [one, two]) {
      await volume.attach(node, many);
      await volume.stage(node, many);
      const device = await volume.publish(node, 'pod', many);
      await expect(putSector(device, 0, 'no')).rejects.toThrow(/EACCES|EPERM|EROFS/);
      expect(await hasSector(device, 0, 'kept')).toBe(true);
    }
  });

  it('with ReadWriteMany is written by two nodes at the same time, each seeing the other', async () => {
    const volume = await site.create(one, block(RWX), { sizeBytes: SMALL_BYTES });
    const [here, there] = [await volume.bring(one), await volume.bring(two)];
    await putSector(here, 0, 'from one');
    await putSector(there, 8 * MiB, 'from two');
    expect(await hasSector(there, 0, 'from one')).toBe(true);
    expect(await hasSector(here, 8 * MiB, 'from two')).toBe(true);
    await putSector(here, 16 * MiB, 'one again');
    expect(await hasSector(there, 16 * MiB, 'one again')).toBe(true);
  });

  it('is the same device for two pods on its node', async () => {
    const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
    const [first, second] = [await volume.bring(one, 'first'), await volume.publish(one, 'second')];
    expect((await stat(first)).rdev).toBe((await stat(second)).rdev);
    await refused(volume.publish(one, 'third', { readonly: true }), 'FAILED_PRECONDITION', /read-only/);
  });
});

describe('ControllerUnpublish', () => {
  it('the node still has the image open: refused until it has not', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.bring(one);
    await refused(volume.detach(one), ['ABORTED', 'FAILED_PRECONDITION'], new RegExp(one.nodeId));
    await refused(volume.attach(two), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await refused(volume.delete(), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
  });

  it('a shared volume, open by its only holder: refused too', async () => {
    const volume = await site.create(one, block(RWX), { sizeBytes: SMALL_BYTES });
    await volume.bring(one);
    await refused(volume.detach(one), ['ABORTED', 'FAILED_PRECONDITION'], new RegExp(one.nodeId));
    await refused(volume.attach(two, { volumeCapability: block(RWO) }), 'FAILED_PRECONDITION');
    await volume.unpublish(one);
    await volume.unstage(one);
    await volume.detach(one);
    await volume.attach(two, { volumeCapability: block(RWO) });
  });
});

describe('NodeStage', () => {
  it('attached read-only: takes no more than that', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await put(await volume.bring(one), 'kept');
    await volume.leave(one);
    const many = { volumeCapability: ext4(ROX) };
    for (const node of [one, two]) await volume.attach(node, many);
    await volume.stage(two, many);
    await refused(volume.stage(one), ['FAILED_PRECONDITION', 'ALREADY_EXISTS']);
    await refused(volume.stage(one, { volumeCapability: block(RWX) }), ['FAILED_PRECONDITION', 'ALREADY_EXISTS']);
    await volume.stage(one, many);
  });

  it('never attached: takes the holder record itself, NodeUnstage gives it back', async () => {
    const volume = await site.create(one, ext4(), { sizeBytes: SMALL_BYTES });
    await volume.stage(one);
    await put(await volume.publish(one), 'without an attach');
    await refused(volume.stage(two), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await refused(volume.attach(two), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await refused(volume.delete(), 'FAILED_PRECONDITION', new RegExp(one.nodeId));
    await volume.unpublish(one);
    await volume.unstage(one);
    await volume.stage(two);
    expect(await get(await volume.publish(two))).toBe('without an attach');
  });
});
