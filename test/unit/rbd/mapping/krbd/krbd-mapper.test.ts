import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import { berthError } from '../../../../../src/model/errors.js';
import { KrbdMapper, type KrbdMapperOptions } from '../../../../../src/rbd/mapping/krbd/krbd-mapper.js';
import { requestedLocation } from '../../../../../src/rbd/mapping/location-name.js';
import { refusal } from '../../../../fakes/refusal.js';
import { kernelFixture, KEY, mapRequest, type KernelFixture } from '../kernel-fixture.js';

let kernel: KernelFixture;
const soon = (ms = 60_000): Deadline => Deadline.after(ms);

const krbd = (more: Partial<KrbdMapperOptions> = {}): KrbdMapper =>
  new KrbdMapper({
    exec: kernel.exec,
    roots: kernel.roots,
    runtimeDir: path.join(kernel.directory, 'run'),
    kernelRelease: '6.1.0-56-amd64',
    waitForNode: () => Promise.resolve(),
    ...more,
  });

const mapsOf = async (): Promise<number> => (await kernel.calls()).filter((call) => call.includes(' map ')).length;

beforeEach(async () => {
  kernel = await kernelFixture();
});
afterEach(() => kernel.remove());

describe('map', () => {
  it('maps without udev, with time limits, and finds the mapping in sysfs', async () => {
    const mapper = krbd();
    const mapping = await mapper.map(mapRequest(), soon());
    expect(mapping).toEqual({
      mapper: 'krbd',
      location: requestedLocation(mapRequest()),
      device: '/dev/rbd0',
      readOnly: false,
    });
    expect(await mapper.find(mapping.location)).toEqual(mapping);
    expect(await mapper.list()).toEqual([mapping]);
    const [call] = await kernel.calls();
    expect(call).toContain('--conf /dev/null --id berth -m [v2:10.0.0.1:3300,v1:10.0.0.1:6789] --keyfile ');
    expect(call).toMatch(/map --pool p --image i --options noudev$/);
    expect(await kernel.read('sys/ceph-args')).toMatch(/--client_mount_timeout=5\d .*--rados_osd_op_timeout=5\d$/);
  });

  it('gives the key in a private file that is gone afterwards, and nowhere else', async () => {
    await krbd().map(mapRequest(), soon());
    expect(await kernel.read('sys/key-mode')).toBe('600');
    expect(await kernel.read('sys/key-seen')).toBe(KEY);
    expect(await readdir(path.join(kernel.directory, 'run/keys'))).toEqual([]);
    expect((await kernel.calls()).join()).not.toContain(KEY);
  });

  it('removes the key file also when rbd had to be killed', async () => {
    kernel.behave('hang');
    await expect(krbd().map(mapRequest(), soon(300))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    expect(await readdir(path.join(kernel.directory, 'run/keys'))).toEqual([]);
    expect(await krbd().list()).toEqual([]);
  });

  it('runs nothing where the image may not be opened, beside a device that is there as well', async () => {
    const mayNot = () => krbd().map(mapRequest({ mayOpen: refusal('not yours') }), soon());
    await expect(mayNot()).rejects.toThrow('not yours');
    expect(await kernel.calls()).toEqual([]);
    let allow: () => void = () => undefined;
    const mayOpen = new Promise<void>((resolve) => (allow = resolve));
    const mapping = krbd().map(mapRequest({ mayOpen }), soon());
    // Whatever runs too early would have come as far as this one.
    await krbd().map(mapRequest({}, 'j'), soon());
    expect((await kernel.calls()).join()).not.toContain('--image i ');
    allow();
    await mapping;
    const calls = await kernel.calls();
    expect(calls.join()).toContain('--image i ');
    await expect(mayNot()).rejects.toThrow('not yours');
    expect(await kernel.calls()).toEqual(calls);
  });

  it('maps once for two who ask at the same time, and not at all where it is mapped', async () => {
    const mapper = krbd();
    const [first, second] = await Promise.all([mapper.map(mapRequest(), soon()), mapper.map(mapRequest(), soon())]);
    expect(second).toEqual(first);
    expect(await krbd().map(mapRequest(), soon())).toEqual(first);
    expect(await mapsOf()).toBe(1);
  });

  it.each(['map-then-hang', 'map-then-die', 'map-then-complain'])(
    'adopts a mapping that the kernel made although rbd did not succeed (%s)',
    async (mode) => {
      kernel.behave(mode);
      const mapping = await krbd().map(mapRequest(), soon(2_000));
      expect(mapping.device).toBe('/dev/rbd0');
      expect(await krbd().find(mapping.location)).toEqual(mapping);
    },
  );

  it('undoes a mapping whose device node never comes', async () => {
    const waitForNode = () =>
      Promise.reject(berthError('BERTH_DEVICE_INVALID', { device: '/dev/rbd0', why: 'it is a regular file' }));
    const error: unknown = await krbd({ waitForNode })
      .map(mapRequest(), soon())
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BERTH_MAP_FAILED' });
    expect(String(error)).toContain('unmapped again');
    expect(await krbd().list()).toEqual([]);
  });

  it('does not believe a success that sysfs does not show', async () => {
    kernel.behave('lie');
    await expect(krbd().map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_MAP_FAILED' });
  });

  it('maps read-only and in a namespace', async () => {
    const request = mapRequest({ readOnly: true });
    const inNamespace = { ...request, image: { ...request.image, namespace: 'ns' } };
    const mapping = await krbd().map(inNamespace, soon());
    expect(mapping).toMatchObject({ readOnly: true, location: { namespace: 'ns' } });
    expect(await krbd().find(requestedLocation(request))).toBeUndefined();
  });

  it('names features that the kernel cannot do, before anything is run', async () => {
    const request = mapRequest({ features: ['layering', 'journaling', 'from-the-future'] });
    await expect(krbd().map(request, soon())).rejects.toThrow('krbd cannot do: journaling,from-the-future');
    expect(await kernel.calls()).toEqual([]);
  });

  it('refuses monitors that the kernel cannot speak to', async () => {
    const request = mapRequest();
    const v2 = {
      ...request,
      image: { ...request.image, access: { ...request.image.access, monitors: ['[v2:10.0.0.1:3300]'] } },
    };
    await expect(krbd({ kernelRelease: '5.10.0' }).map(v2, soon())).rejects.toMatchObject({
      code: 'BERTH_MAPPER_UNAVAILABLE',
    });
    await krbd().map(v2, soon());
    expect((await kernel.calls())[0]).toContain('ms_mode=prefer-crc');
  });

  it('maps nothing of a cluster that asks for what the kernel does not know, and says what to do', async () => {
    const moved = { leastRelease: 'reef', movedPrimaries: ['p'], v2Only: false };
    await expect(krbd({ demands: { of: () => Promise.resolve(moved) } }).map(mapRequest(), soon())).rejects.toThrow(
      /MAPPER_UNAVAILABLE.*chosen by hand in pool p,.*rm-pg-upmap-primary/,
    );
    expect(await kernel.calls()).toEqual([]);
    // What is mapped already stays usable: its owner has to be able to leave.
    const mapping = await krbd().map(mapRequest(), soon());
    expect(await krbd({ demands: { of: () => Promise.resolve(moved) } }).map(mapRequest(), soon())).toEqual(mapping);
  });

  it('takes messenger v2 where the cluster has no other, and maps where it did not say', async () => {
    const v2 = { leastRelease: '', movedPrimaries: [], v2Only: true };
    const demands = { of: () => Promise.resolve(v2) };
    await expect(krbd({ demands, kernelRelease: '5.10.0' }).map(mapRequest(), soon())).rejects.toThrow(/messenger v2/);
    await krbd({ demands }).map(mapRequest(), soon());
    expect((await kernel.calls())[0]).toContain('ms_mode=prefer-crc');
    const unknown = { of: () => Promise.resolve(undefined) };
    await krbd({ demands: unknown }).map(mapRequest({ image: { ...mapRequest().image, image: 'other' } }), soon());
    expect(await mapsOf()).toBe(2);
  });

  it('tells rbd and the kernel the monitors that can be used alone, and chooses the messenger by them', async () => {
    const request = mapRequest();
    const monitors = ['mon.invalid', '[v2:10.0.0.1:3300]'];
    const access = { ...request.image.access, monitors };
    await krbd().map({ ...request, image: { ...request.image, access } }, soon());
    const [call] = await kernel.calls();
    expect(call).toContain('-m [v2:10.0.0.1:3300] ');
    expect(call).toContain('ms_mode=prefer-crc');
  });

  it('reports what rbd refused in the words of the catalogue', async () => {
    kernel.behave('refuse', {
      FAKE_CODE: '2',
      FAKE_STDERR: 'rbd: error opening image i: (2) No such file or directory',
    });
    await expect(krbd().map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_IMAGE_NOT_FOUND' });
  });

  it('never takes a mapped snapshot, or the same name in another cluster, for the image', async () => {
    await krbd().map(mapRequest(), soon());
    await kernel.write('sys/bus/rbd/devices/0/current_snap', 'before\n');
    expect(await krbd().find(requestedLocation(mapRequest()))).toBeUndefined();
    await kernel.write('sys/bus/rbd/devices/0/current_snap', '-\n');
    expect(await krbd().find({ ...requestedLocation(mapRequest()), fsid: 'another' })).toBeUndefined();
  });
});

describe('a client on the blocklist', () => {
  /** What a write to sysfs answers then; 0 for none. */
  const refreshing = (): Partial<KrbdMapperOptions> => ({
    exec: (file, args, options) =>
      file === 'tee'
        ? Promise.resolve({ stdout: '1', stderr: 'tee: f: Cannot send after transport endpoint shutdown', exitCode: 1 })
        : kernel.exec(file, args, options),
  });

  it('is not shared with a new mapping', async () => {
    kernel.behave('refuse', { FAKE_CODE: '108', FAKE_STDERR: 'rbd: map failed: (108) Cannot send after ...' });
    await expect(krbd().map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_CLIENT_EVICTED' });
    const calls = (await kernel.calls()).map((call) => call.split(' --options ')[1]);
    expect(calls).toEqual(['noudev', 'noshare,noudev']);
  });

  it('does not keep its mapping', async () => {
    await krbd().map(mapRequest(), soon());
    await krbd(refreshing()).map(mapRequest(), soon());
    expect((await kernel.calls()).map((call) => / (map|unmap) /.exec(call)?.[1])).toEqual(['map', 'unmap', 'map']);
  });

  it('is named where its mapping is still in use, and where a device has to grow', async () => {
    const mapping = await krbd().map(mapRequest(), soon());
    await expect(krbd(refreshing()).resized(mapping, 2n ** 40n, soon())).rejects.toMatchObject({
      code: 'BERTH_CLIENT_EVICTED',
    });
    kernel.behave('busy');
    await expect(krbd(refreshing()).map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_CLIENT_EVICTED' });
  });
});

describe('unmap', () => {
  const mapped = () => krbd().map(mapRequest(), soon());

  it('unmaps by device and without udev; twice is a success', async () => {
    const mapping = await mapped();
    await krbd().unmap(mapping, soon());
    await krbd().unmap(mapping, soon());
    const calls = (await kernel.calls()).filter((call) => call.includes(' unmap '));
    expect(calls).toEqual(['--conf /dev/null unmap --options noudev /dev/rbd0']);
  });

  it('leaves a device alone that belongs to another image by now', async () => {
    const mapping = await mapped();
    await kernel.write('sys/bus/rbd/devices/0/name', 'another\n');
    await krbd().unmap(mapping, soon());
    expect(await krbd().list()).toHaveLength(1);
  });

  it.each(['unmap-then-hang', 'raced'])('is content when the mapping is gone, whatever rbd said (%s)', async (mode) => {
    const mapping = await mapped();
    kernel.behave(mode);
    await krbd().unmap(mapping, soon(2_000));
  });

  it('tries again while somebody only looks at the device', async () => {
    const mapping = await mapped();
    kernel.behave('busy-once');
    await krbd().unmap(mapping, soon());
    expect(await krbd().list()).toEqual([]);
  });

  it('names the mount points, holders and processes of a busy device', async () => {
    const mapping = await mapped();
    kernel.behave('busy');
    await kernel.write('proc/self/mountinfo', '36 25 252:0 / /var/lib/kubelet/my\\040pod rw - ext4 /dev/rbd0 rw\n');
    await kernel.write('sys/class/block/rbd0/holders/dm-3', '');
    await expect(krbd().unmap(mapping, soon())).rejects.toThrow(
      '/dev/rbd0 of p/i is busy: mounted at /var/lib/kubelet/my pod; held by dm-3',
    );
  });

  it('says so when the users cannot be seen, and gives up in two seconds', async () => {
    const mapping = await mapped();
    kernel.behave('busy');
    const before = performance.now();
    await expect(krbd().unmap(mapping, soon())).rejects.toMatchObject({ code: 'BERTH_UNMAP_BUSY' });
    expect(performance.now() - before).toBeLessThan(30_000);
  });

  it('does not believe a success that sysfs does not show', async () => {
    const mapping = await mapped();
    kernel.behave('lie');
    await expect(krbd().unmap(mapping, soon(300))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });

  it('reports any other refusal', async () => {
    const mapping = await mapped();
    kernel.behave('refuse', { FAKE_CODE: '5', FAKE_STDERR: 'rbd: unmap failed: (5) Input/output error' });
    await expect(krbd().unmap(mapping, soon())).rejects.toThrow('(5) Input/output error');
  });
});

describe('size and limits', () => {
  it('asks the kernel to look when it does not show the new size', async () => {
    const mapping = await krbd().map(mapRequest(), soon());
    await kernel.write('sys/bus/rbd/devices/0/refresh', '');
    const grown = krbd().resized(mapping, 128n * 1024n * 1024n, soon());
    await expect.poll(() => kernel.read('sys/bus/rbd/devices/0/refresh')).toBe('1');
    await kernel.write('sys/class/block/rbd0/size', '262144\n');
    await grown;
    await krbd().resized(mapping, 128n * 1024n * 1024n, soon());
  });

  it('ends by its deadline when the size never comes', async () => {
    const mapping = await krbd().map(mapRequest(), soon());
    await expect(krbd().resized(mapping, 1n << 40n, soon(200))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });

  it('knows how many images fit', async () => {
    expect(await krbd().limit()).toBe(65_536);
    await kernel.write('sys/module/rbd/parameters/single_major', 'N\n');
    await kernel.write('proc/devices', 'Character devices:\n  1 mem\n\nBlock devices:\n  7 loop\n  8 sd\n252 rbd0\n');
    expect(await krbd().limit()).toBe(252);
  });
});

describe('whyNot', () => {
  it('is silent where everything is there', async () => {
    expect(await krbd().whyNot()).toBeUndefined();
  });

  it('tries to load the module once and says what came of it', async () => {
    const calls: string[] = [];
    const exec: KrbdMapperOptions['exec'] = (file, args) => {
      calls.push([file, ...args].join(' '));
      return Promise.reject(
        berthError('BERTH_COMMAND_FAILED', { command: file, how: 'exit code 1', stderr: 'not found' }),
      );
    };
    const roots = { ...kernel.roots, sys: path.join(kernel.directory, 'nothing') };
    const mapper = krbd({ exec, roots });
    expect(await mapper.whyNot()).toContain('the kernel has no rbd');
    expect(calls).toEqual(['modprobe rbd']);
    await expect(mapper.map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
  });
});
