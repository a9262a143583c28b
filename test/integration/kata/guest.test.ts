/**
 * A real virtual machine takes the volume: what a runtime reads in the record is plugged into QEMU, and the guest's own
 * kernel mounts it.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { guestSystem, type GuestSystem } from '../../../src/dev/guest/guest-system.js';
import type { Disk } from '../../../src/dev/guest/guest-disk.js';
import { SandboxGuest } from '../../../src/dev/guest/sandbox-guest.js';
import { RUNTIMES, take, type Runtime } from '../../../src/dev/guest/kata-runtimes.js';
import { refused } from '../csi/calls.js';
import { ext4, MiB, RWO, RWOP, xfs, XFS_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import { Site } from '../csi/site.js';

let site: Site;
let driver: Driver;
let system: GuestSystem;
const guests: SandboxGuest[] = [];

beforeAll(async () => {
  site = await Site.open('guest');
  driver = await site.driver('node-one').start();
  system = await guestSystem(site.directory);
}, 900_000);
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.kill();
  await site.endVolumes();
});
afterAll(() => site.close());

const GO = RUNTIMES.find(({ name }) => name === 'Go 3.25')!;
const RUST = RUNTIMES.find(({ name }) => name === 'runtime-rs 4.1')!;
const MINUTES = 600_000;

async function boot(): Promise<SandboxGuest> {
  const directory = path.join(site.directory, `g${guests.length}-${performance.now().toFixed(0)}`);
  await mkdir(directory);
  const guest = await SandboxGuest.start(system, directory);
  guests.push(guest);
  return guest;
}

/** As the runtime does for a container of the pod: by the record alone, and mounted with the record's options. */
async function takeInto(guest: SandboxGuest, runtime: Runtime, source: string, as: Disk['as']): Promise<void> {
  const taken = take(runtime, { source, readOnly: false }, { records: driver.kataRecords, deviceReadOnly: false });
  if (taken.kind !== 'device') throw new Error(`${runtime.name}: ${taken.why}`);
  const { device, readOnly, fsType, options } = taken;
  const node = await guest.plug({ device, readOnly, as });
  await guest.sh(`mount -t ${fsType} -o ${['rw', ...options].join(',')} ${node} /volume`);
}

describe('NodePublish for Kata, a real virtual machine', () => {
  it(
    'reads what a pod of the host wrote, hands its own writing to a second one, and that to a host that may',
    async () => {
      const volume = await site.create(driver, ext4(RWO), { sizeBytes: 64 * MiB });
      await put(await volume.bring(driver, 'host'), 'from the host', 'host');
      await volume.leave(driver);
      await volume.attach(driver);
      const volumeContext = { sandbox: 'kata' };

      await volume.stage(driver, { volumeContext });
      const target = await volume.publish(driver, 'first', { volumeContext });
      const first = await boot();
      await takeInto(first, GO, target, 'virtio-blk');
      expect(await first.sh('cat /volume/host')).toBe('from the host');
      await first.sh('echo -n "from the first guest" > /volume/guest && umount /volume');
      expect(await first.shutDown()).toBe('exit code 0');
      await volume.unpublish(driver, 'first');
      await volume.unstage(driver);

      await volume.stage(driver, { volumeContext });
      const again = await volume.publish(driver, 'second', { volumeContext });
      const second = await boot();
      await takeInto(second, RUST, again, 'virtio-scsi');
      expect(await second.sh('cat /volume/host /volume/guest')).toBe('from the hostfrom the first guest');
      await second.shutDown();
      await volume.unpublish(driver, 'second');
      await volume.unstage(driver);

      await volume.stage(driver);
      await refused(volume.publish(driver, 'host'), 'FAILED_PRECONDITION', /HOST_MOUNT_REFUSED/);
      await volume.unstage(driver);
      const allowed = { volumeContext: { allowHostMount: 'true' } };
      await volume.stage(driver, allowed);
      expect(await get(await volume.publish(driver, 'host', allowed), 'guest')).toBe('from the first guest');
    },
    MINUTES,
  );

  it(
    'that dies with its writes in the journal loses none that were synced: the host checks before the next one',
    async () => {
      const parameters = { sandbox: 'kata' };
      const volume = await site.create(driver, ext4(RWOP), { sizeBytes: 64 * MiB, parameters });
      const first = await boot();
      await takeInto(first, GO, await volume.bring(driver, 'first'), 'virtio-scsi');
      await first.sh('echo -n "synced" > /volume/file && sync');
      // The orchestrator is quicker than the monitor: what comes next waits for its end, or is told who it is.
      await volume.unpublish(driver, 'first');
      await refused(
        volume.publish(driver, 'second'),
        'FAILED_PRECONDITION',
        /VOLUME_IN_USE.*qemu-system.*a virtual machine/,
      );
      await first.kill();
      await volume.unstage(driver);
      await volume.stage(driver);
      const second = await boot();
      await takeInto(second, GO, await volume.publish(driver, 'second'), 'virtio-blk');
      expect(await second.sh('cat /volume/file')).toBe('synced');
    },
    MINUTES,
  );

  it(
    'cannot write to a read-only volume, whatever it tries',
    async () => {
      const parameters = { sandbox: 'kata' };
      const volume = await site.create(driver, xfs(RWO), { sizeBytes: XFS_BYTES, parameters });
      await volume.attach(driver);
      await volume.stage(driver);
      const target = await volume.publish(driver, 'pod', { readonly: true });
      const taken = take(GO, { source: target, readOnly: true }, { records: driver.kataRecords, deviceReadOnly: true });
      expect(taken).toMatchObject({ kind: 'device', readOnly: true, options: ['ro', 'nouuid'] });
      const guest = await boot();
      const { device } = taken as { device: string };
      const node = await guest.plug({ device, readOnly: true, as: 'virtio-blk' });
      await guest.sh(`mount -t xfs -o ro,nouuid ${node} /volume`);
      await expect(guest.sh('echo x > /volume/x')).rejects.toThrow(/Read-only/);
      await expect(guest.sh(`echo x > ${node}`)).rejects.toThrow(/not permitted|Read-only/);
      // Not even by a runtime that asks for a writable one: the host's kernel refuses.
      await expect(guest.plug({ device, readOnly: false, as: 'virtio-scsi' })).rejects.toThrow(
        /read-only|Permission|Read-only/,
      );
    },
    MINUTES,
  );
});
