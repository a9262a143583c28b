import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import { requestedLocation } from '../../../../../src/rbd/mapping/location-name.js';
import type { NbdKernel } from '../../../../../src/rbd/mapping/nbd/nbd-kernel.js';
import { NbdMapper } from '../../../../../src/rbd/mapping/nbd/nbd-mapper.js';
import { refusal } from '../../../../fakes/refusal.js';
import { FSID, kernelFixture, KEY, mapRequest, type KernelFixture } from '../kernel-fixture.js';

/** How long a dead daemon's successor is waited for, s. */
const A_DAY = 86_400;

let kernel: KernelFixture;
const soon = (ms = 60_000): Deadline => Deadline.after(ms);
const nbd = (): NbdMapper =>
  new NbdMapper({ exec: kernel.exec, roots: kernel.roots, runtimeDir: path.join(kernel.directory, 'run') });

/** With a kernel that can do just this. */
const withKernel = (does: Partial<NbdKernel>): NbdMapper => {
  const not = () => Promise.reject(new Error('not asked for'));
  return new NbdMapper({
    ...{ exec: kernel.exec, roots: kernel.roots, runtimeDir: path.join(kernel.directory, 'run') },
    kernel: { setSize: not, disconnect: not, ...does },
  });
};

beforeEach(async () => {
  kernel = await kernelFixture();
});
afterEach(() => kernel.remove());

describe('map', () => {
  it('maps over netlink with a cookie that tells the image, and finds it by that', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    expect(mapping).toEqual({
      mapper: 'nbd',
      location: requestedLocation(mapRequest()),
      device: '/dev/nbd0',
      readOnly: false,
    });
    expect(await nbd().find(mapping.location, soon())).toEqual(mapping);
    const call = (await kernel.calls()).find((line) => line.includes(' map '));
    expect(call).toContain(`--try-netlink --cookie ${FSID}:p::i --reattach-timeout ${A_DAY} --io-timeout 0 p/i`);
    expect(call).not.toContain(KEY);
    expect(await kernel.read('sys/key-mode')).toBe('600');
    expect((await kernel.calls()).join()).not.toContain('list-mapped');
  });

  it('starts no daemon before the image may be opened, neither the first nor a new one', async () => {
    const mayOpen = () => refusal('not yours');
    const daemons = async () => (await kernel.calls()).filter((call) => / (map|attach) /.test(call)).length;
    await expect(nbd().map(mapRequest({ mayOpen: mayOpen() }), soon())).rejects.toThrow('not yours');
    expect(await daemons()).toBe(0);
    await nbd().map(mapRequest(), soon());
    await kernel.write('proc/4242/cmdline', 'bash\0');
    await expect(nbd().map(mapRequest({ mayOpen: mayOpen() }), soon())).rejects.toThrow('not yours');
    expect(await daemons()).toBe(1);
  });

  it('serves by a daemon whose I/O has no limit: only connecting has one', async () => {
    for (const daemon of ['map', 'attach']) {
      await nbd().map(mapRequest(), soon());
      expect(await kernel.read(`sys/ceph-args-${daemon}`)).toMatch(/^--client_mount_timeout=5\d$/);
      await kernel.write('proc/4242/cmdline', 'bash\0');
    }
  });

  it('lets I/O of a dead daemon end in a minute where the kernel could know no successor', async () => {
    const old = new NbdMapper({
      ...{ exec: kernel.exec, roots: kernel.roots, runtimeDir: path.join(kernel.directory, 'run') },
      kernelRelease: '5.10.0-30-amd64',
    });
    await old.map(mapRequest(), soon());
    expect((await kernel.calls()).join()).toContain('--reattach-timeout 60 --io-timeout 0 p/i');
  });

  it('says that I/O waits for a new daemon, of a device that can have one', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    expect(await nbd().whyAwaitsServer(mapping)).toBeUndefined();
    await kernel.write('proc/4242/cmdline', 'bash\0');
    expect(await nbd().whyAwaitsServer(mapping)).toBe('its rbd-nbd has died');
    await kernel.write('sys/block/nbd0/backend', '');
    expect(await nbd().whyAwaitsServer(mapping)).toBeUndefined();
  });

  it('lets I/O fail when the class says so: librbd first, then the kernel; as soon without a daemon', async () => {
    const request = mapRequest({ ioTimeoutSeconds: 90 });
    for (const daemon of ['map', 'attach']) {
      await nbd().map(request, soon());
      const call = (await kernel.calls()).find((line) => line.includes(` ${daemon} `));
      expect(call).toContain('--reattach-timeout 90 --io-timeout 120 p/i');
      expect(await kernel.read(`sys/ceph-args-${daemon}`)).toMatch(/ --rados_osd_op_timeout=90$/);
      await kernel.write('proc/4242/cmdline', 'bash\0');
    }
  });

  it('works with a program that knows no cookies: the image is in its list, the cluster in its arguments', async () => {
    kernel.behave('', { FAKE_OLD: '1' });
    const mapping = await nbd().map(mapRequest(), soon());
    expect(mapping.location).toEqual(requestedLocation(mapRequest()));
    const call = (await kernel.calls()).find((line) => line.includes(' map '));
    expect(call).not.toMatch(/--cookie|--io-timeout/);
  });

  it('maps nothing where the program does not say what it can do: without a cookie writes could be lost', async () => {
    kernel.behave('mute');
    await expect(nbd().map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
    expect((await kernel.calls()).join()).not.toContain(' map ');
  });

  it('maps once for two who ask at the same time', async () => {
    const mapper = nbd();
    const [first, second] = await Promise.all([mapper.map(mapRequest(), soon()), mapper.map(mapRequest(), soon())]);
    expect(second).toEqual(first);
    expect((await kernel.calls()).filter((call) => call.includes(' map '))).toHaveLength(1);
  });

  it('image that is being unmapped: maps it anew once it is, and does not give out the mapping that goes', async () => {
    const mapper = nbd();
    const request = mapRequest();
    const mapping = await mapper.map(request, soon());
    await Promise.all([mapper.unmap(mapping, soon()), mapper.map(request, soon())]);
    const acts = (await kernel.calls()).map((call) => / (map|unmap) /.exec(call)?.[1]).filter(Boolean);
    expect(acts).toEqual(['map', 'unmap', 'map']);
    expect(await mapper.find(mapping.location, soon())).toEqual(mapping);
  });

  it('adopts a mapping that was made although rbd-nbd had to be killed', async () => {
    kernel.behave('map-then-hang');
    expect((await nbd().map(mapRequest(), soon(2_000))).device).toBe('/dev/nbd0');
  });

  it('asks rbd for the reason when rbd-nbd gives none', async () => {
    kernel.behave('silent', { FAKE_IMAGE: 'i' });
    await expect(nbd().map(mapRequest(), soon())).rejects.toMatchObject({ code: 'BERTH_IMAGE_NOT_FOUND' });
  });

  it('gives a device whose daemon has died a new one, with the cookie of the first', async () => {
    const mapping = await nbd().map(mapRequest({ readOnly: true }), soon());
    await kernel.write('proc/4242/cmdline', 'bash\0');
    expect(await nbd().find(mapping.location, soon())).toEqual({ ...mapping, readOnly: true });
    expect(await nbd().map(mapRequest(), soon())).toEqual(mapping);
    const call = (await kernel.calls()).find((line) => line.includes(' attach '));
    expect(call).toContain(
      `attach --device /dev/nbd0 --cookie ${FSID}:p::i --reattach-timeout ${A_DAY} --io-timeout 0`,
    );
    expect(call).toMatch(/--read-only p\/i$/);
    expect(call).not.toContain(KEY);
  });

  it('knows a daemon that was attached later, whose pid the kernel does not show', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    await kernel.write('proc/4242/cmdline', 'bash\0');
    await kernel.write('proc/5151/cmdline', `rbd-nbd\0attach\0--cookie\0${FSID}:p::i\0`);
    expect(await nbd().map(mapRequest(), soon())).toEqual(mapping);
    expect((await kernel.calls()).join()).not.toContain(' attach ');
  });
});

describe('unmap', () => {
  it('unmaps; twice is a success', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    await nbd().unmap(mapping, soon());
    await nbd().unmap(mapping, soon());
    expect(await nbd().list(soon())).toEqual([]);
    expect((await kernel.calls()).filter((call) => call.includes(' unmap '))).toHaveLength(1);
  });

  it('does not take the daemon of the device for one of its users', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    await mkdir(path.join(kernel.roots.proc, '4242/fd'));
    await symlink('/dev/nbd0', path.join(kernel.roots.proc, '4242/fd/3'));
    await nbd().unmap(mapping, soon());
    expect(await nbd().list(soon())).toEqual([]);
  });

  it('never lets rbd-nbd pull a mounted device away', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    await kernel.write('proc/self/mountinfo', '36 25 43:0 / /mnt rw - ext4 /dev/nbd0 rw\n');
    await expect(nbd().unmap(mapping, soon())).rejects.toThrow('/dev/nbd0 of p/i is busy: mounted at /mnt');
    expect((await kernel.calls()).join()).not.toContain(' unmap ');
  });

  it('says what rbd-nbd said where it does not unmap', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    kernel.behave('dead');
    await expect(nbd().unmap(mapping, soon())).rejects.toThrow('/dev/nbd0 is not mapped (exit code 1)');
  });

  it('has the kernel free a device whose daemon has died, which rbd-nbd does not know any more', async () => {
    const mapping = await nbd().map(mapRequest(), soon());
    await kernel.write('proc/4242/cmdline', 'bash\0');
    const mapper = withKernel({
      disconnect: ({ name }) => rm(path.join(kernel.roots.sys, 'block', name), { recursive: true }),
    });
    await mapper.unmap(mapping, soon());
    expect(await nbd().list(soon())).toEqual([]);
    expect((await kernel.calls()).join()).not.toContain(' unmap ');
  });
});

it('knows its limit and waits for a new size by its deadline', async () => {
  expect(await nbd().limit()).toBe(16);
  const mapping = await nbd().map(mapRequest(), soon());
  await expect(nbd().resized(mapping, 1n << 40n, soon(100))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  await kernel.write('sys/class/block/nbd0/size', '2048\n');
  await nbd().resized(mapping, 1n << 20n, soon());
});

it('tells the kernel itself where a daemon knows the new size and cannot', async () => {
  const mapping = await nbd().map(mapRequest(), soon());
  await kernel.write('sys/class/block/nbd0/size', '2048\n');
  const told: unknown[] = [];
  const mapper = withKernel({
    setSize: async ({ name, cookie }, sizeBytes) => {
      told.push([name, cookie, sizeBytes]);
      await kernel.write('sys/class/block/nbd0/size', '204800\n');
    },
  });
  await mapper.resized(mapping, 100n << 20n, soon());
  expect(told).toEqual([['nbd0', `${FSID}:p::i`, 100n << 20n]]);
});
