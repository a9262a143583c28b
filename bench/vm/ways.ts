/** The ways by which the load in a guest gets the image, and the host itself. Each is entered, used, and left. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disk, Tuning } from '../../src/dev/guest/guest-disk.js';
import type { SandboxGuest } from '../../src/dev/guest/sandbox-guest.js';
import type { MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import type { Watched } from './meter.js';
import { inGuest, onHost, type Place } from './place.js';
import type { RawVolume } from './raw-volume.js';
import { MOUNTS, type SharedDirectory } from './shared-directory.js';

export const WAYS = [
  '(a) virtio-blk',
  '(b) virtio-scsi',
  '(c) hyperd, librbd',
  '(d) host mount, virtio-fs',
  '(e) host mount, 9p',
  'the host itself',
] as const;
export type Way = (typeof WAYS)[number];

export interface Stage {
  readonly directory: string;
  readonly guest: SandboxGuest;
  readonly mariadb: MariadbTree;
  readonly volume: RawVolume;
  readonly shared: SharedDirectory;
}

const MOUNT_MS = 120_000;
const UNMOUNT_TRIES = 40;
const PAUSE_MS = 250;

const command = async (file: string, ...args: readonly string[]): Promise<void> => {
  await run(file, args, { deadline: Deadline.after(MOUNT_MS) });
};

/** What a load does with a place; `watched` is where what it costs is read. */
export type Load = (place: Place, watched: Watched) => Promise<void>;

/** @param tuning of a variant; the default as Kata has it */
export async function direct({ guest, volume }: Stage, as: Disk['as'], load: Load, tuning?: Tuning): Promise<void> {
  const device = await volume.bring();
  const disk = await guest.plug({ device, readOnly: false, as, ...(tuning === undefined ? {} : { tuning }) });
  await onDisk(guest, disk, (place) => load(place, { guest, device }));
  await volume.leave();
}

async function byHyperd({ guest, volume }: Stage, load: Load): Promise<void> {
  // The node has no device of it.
  await onDisk(guest, await guest.plugDrive(await volume.plug()), (place) => load(place, { guest, device: undefined }));
}

async function onDisk(guest: SandboxGuest, disk: string, load: (place: Place) => Promise<void>): Promise<void> {
  await guest.sh(`mount -t ext4 ${disk} /volume`, MOUNT_MS);
  await inGuest(guest, '/volume', load);
  await guest.sh('umount /volume', MOUNT_MS);
  await guest.unplug(disk);
}

/** The node has it mounted while `use` runs; where that fails, it stays so until all of the bench is taken down. */
export async function mounted(volume: RawVolume, at: string, use: (device: string) => Promise<void>): Promise<void> {
  const device = await volume.bring();
  await command('mount', '-t', 'ext4', device, at);
  await use(device);
  await unmount(at);
  await volume.leave();
}

/** Whoever shares the directory closes what the guest has forgotten a moment after that. */
async function unmount(at: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const [answer] = await Promise.allSettled([command('umount', at)]);
    if (answer.status === 'fulfilled') return;
    if (tries === UNMOUNT_TRIES) throw answer.reason;
    await sleep(PAUSE_MS);
  }
}

async function shares({ guest, volume, shared }: Stage, by: keyof typeof MOUNTS, load: Load): Promise<void> {
  await mounted(volume, shared.volume, async (device) => {
    await guest.sh(`mkdir -p /shared && ${MOUNTS[by]} /shared`, MOUNT_MS);
    await inGuest(guest, '/shared/volume', (place) => load(place, { guest, device }));
    await guest.sh('umount /shared', MOUNT_MS);
  });
}

export function through(stage: Stage, way: Way, load: Load): Promise<void> {
  switch (way) {
    case '(a) virtio-blk':
      return direct(stage, 'virtio-blk', load);
    case '(b) virtio-scsi':
      return direct(stage, 'virtio-scsi', load);
    case '(c) hyperd, librbd':
      return byHyperd(stage, load);
    case '(d) host mount, virtio-fs':
      return shares(stage, 'virtiofs', load);
    case '(e) host mount, 9p':
      return shares(stage, '9p', load);
    case 'the host itself':
      return mounted(stage.volume, stage.shared.volume, (device) =>
        onHost(stage.mariadb, path.join(stage.directory, 'host'), stage.shared.volume, (place) =>
          load(place, { guest: undefined, device }),
        ),
      );
  }
}
