/** What the loop mapper's devices are worth: data kept, read-only meant, sizes followed, users respected. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LoopMapper } from '../../../src/dev/mapper/loop-mapper.js';
import { admin } from '../ceph.js';
import {
  MIB,
  at,
  cleanUpAfterwards,
  execute,
  image,
  location,
  mount,
  node,
  publish,
  request,
  soon,
  umount,
  watchers,
} from './loop-nodes.js';

let mapper: LoopMapper;

cleanUpAfterwards();

beforeAll(async () => {
  ({ mapper } = await node('one'));
});

describe('use', () => {
  it('refuses to unmap a mounted device, naming where, and loses nothing', async () => {
    const mapping = await mapper.map(request(await image()), soon());
    await execute('mkfs.ext4', ['-q', mapping.device]);
    const target = await mount(mapping.device);
    await writeFile(path.join(target, 'file'), 'kept');
    const error: unknown = await mapper.unmap(mapping, soon()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BERTH_UNMAP_BUSY' });
    expect(String(error)).toContain(target);
    expect(await readFile(path.join(target, 'file'), 'utf8')).toBe('kept');
    await umount(target);
    await mapper.unmap(mapping, soon());
  });

  it('refuses to unmap a device that is published as a block volume or open in a process', async () => {
    const mapping = await mapper.map(request(await image()), soon());
    const published = await publish(mapping.device);
    await expect(mapper.unmap(mapping, soon())).rejects.toThrow(published);
    await umount(published);
    const holder = execFile('bash', ['-c', `exec 9<${mapping.device}; exec sleep 60`]);
    const { pid } = holder;
    await expect.poll(() => readFile(`/proc/${pid!}/comm`, 'utf8')).toBe('sleep\n');
    try {
      await expect(mapper.unmap(mapping, soon())).rejects.toThrow(`sleep (pid ${String(holder.pid)})`);
    } finally {
      holder.kill();
    }
    await mapper.unmap(mapping, soon());
  });

  it('keeps the data of a filesystem from one mapping to the next', async () => {
    const name = await image();
    const first = await mapper.map(request(name), soon());
    await execute('mkfs.ext4', ['-q', first.device]);
    const before = await mount(first.device);
    await writeFile(path.join(before, 'file'), 'a'.repeat(100_000));
    await umount(before);
    await mapper.unmap(first, soon());
    const { mapper: elsewhere } = await node('elsewhere');
    const second = await elsewhere.map(request(name), soon());
    const after = await mount(second.device);
    expect(await readFile(path.join(after, 'file'), 'utf8')).toBe('a'.repeat(100_000));
  });

  it('makes a device that is really read-only', async () => {
    const name = await image();
    const mapping = await mapper.map(request(name, { readOnly: true }), soon());
    expect(mapping.readOnly).toBe(true);
    expect((await mapper.find(location(name), soon()))?.readOnly).toBe(true);
    await expect(writeFile(mapping.device, 'x')).rejects.toThrow(/EPERM|EROFS|EACCES/);
    await execute('blockdev', ['--setrw', mapping.device]).catch(() => undefined);
    await execute('dd', [
      'if=/dev/zero',
      `of=${mapping.device}`,
      'bs=4k',
      'count=1',
      'oflag=direct',
      'conv=nocreat',
    ]).catch(() => undefined);
    expect(await watchers(name)).toBeLessThanOrEqual(1);
    const exported = await admin().rbd(['diff', '--format', 'json', ...at(name)], soon());
    expect(JSON.parse(exported)).toEqual([]);
  });

  it('gives trimmed space back to the cluster', async () => {
    const name = await image();
    const mapping = await mapper.map(request(name), soon());
    await writeFile(mapping.device, Buffer.alloc(Number(16n * MIB), 1));
    const extents = async () =>
      JSON.parse(await admin().rbd(['diff', '--format', 'json', ...at(name)], soon())) as unknown[];
    expect(await extents()).not.toEqual([]);
    await execute('blkdiscard', [mapping.device]);
    expect(await extents()).toEqual([]);
  });
});

describe('size', () => {
  const sectors = async (device: string): Promise<bigint> =>
    BigInt((await readFile(`/sys/class/block/${path.basename(device)}/size`, 'utf8')).trim()) * 512n;

  it('follows an image that was grown elsewhere, while it is mounted', async () => {
    const name = await image();
    const mapping = await mapper.map(request(name), soon());
    await execute('mkfs.ext4', ['-q', mapping.device]);
    await mount(mapping.device);
    await admin().rbd(['resize', '--no-progress', '--size', '96M', ...at(name)], soon());
    await mapper.resized(mapping, 96n * MIB, soon());
    expect(await sectors(mapping.device)).toBe(96n * MIB);
    await mapper.resized(mapping, 96n * MIB, soon());
  });

  it('never shrinks an image that is larger than the caller thinks', async () => {
    const name = await image();
    const mapping = await mapper.map(request(name), soon());
    await admin().rbd(['resize', '--no-progress', '--size', '128M', ...at(name)], soon());
    await mapper.resized(mapping, 96n * MIB, soon());
    expect(await sectors(mapping.device)).toBe(128n * MIB);
    const info = JSON.parse(await admin().rbd(['info', '--format', 'json', ...at(name)], soon())) as { size: number };
    expect(BigInt(info.size)).toBe(128n * MIB);
  });

  it('says so where the image was not grown at all', async () => {
    const mapping = await mapper.map(request(await image()), soon());
    await expect(mapper.resized(mapping, 128n * MIB, soon())).rejects.toMatchObject({ code: 'BERTH_MAP_FAILED' });
  });
});
