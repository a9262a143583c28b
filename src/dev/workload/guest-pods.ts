/** Pods with MariaDB in virtual machines: of Kata, by the record alone, and of hyperd, by the hand-over file alone. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { guestSystem, type GuestSystem } from '../guest/guest-system.js';
import type { Plug } from '../guest/hyperd-plug.js';
import { RUNTIMES, take } from '../guest/kata-runtimes.js';
import { SandboxGuest } from '../guest/sandbox-guest.js';
import { hideVolume, isServerAlive, mountTree, serverEnded, showVolume, startServer } from './guest-server.js';
import type { MariadbPod } from './mariadb-pod.js';
import type { MariadbTree } from './mariadb-tree.js';

const RUNTIME = 'runtime-rs 4.1';
const PORT = 3306;
const MEMORY_MIB = 192;
/** Emulated, on a busy machine: a line that takes longer hangs, ms. */
const HUNG_MS = 600_000;

export interface GuestPodOptions {
  readonly memoryMib?: number;
}

export class GuestPods {
  readonly #directory: string;
  readonly #system: GuestSystem;
  readonly #mariadb: MariadbTree;

  private constructor(directory: string, system: GuestSystem, mariadb: MariadbTree) {
    this.#directory = directory;
    this.#system = system;
    this.#mariadb = mariadb;
  }

  /** @param directory short: it holds sockets; `say` is told before anything is downloaded */
  static async open(directory: string, mariadb: MariadbTree, say: (line: string) => void): Promise<GuestPods> {
    await mkdir(directory, { recursive: true });
    return new GuestPods(directory, await guestSystem(directory, say, ['virtio_net']), mariadb);
  }

  /** Boot a guest that takes the volume of `target` by its record among `records`, and start MariaDB in it. */
  async kata(name: string, target: string, records: string, options: GuestPodOptions = {}): Promise<GuestPod> {
    const runtime = RUNTIMES.find((one) => one.name === RUNTIME);
    if (runtime === undefined) throw new Error(`${RUNTIME} is not known`);
    const taken = take(runtime, { source: target, readOnly: false }, { records, deviceReadOnly: false });
    if (taken.kind !== 'device') throw new Error(`${RUNTIME}: ${taken.why}`);
    const { device, fsType, options: flags, readOnly } = taken;
    return this.#start(name, options, async (guest) => {
      const disk = await guest.plug({ device, readOnly, as: 'virtio-scsi' });
      await guest.sh(`mount -t ${fsType} -o ${['rw', ...flags].join(',')} ${disk} /volume`, HUNG_MS);
      return '/volume';
    });
  }

  /** Boot a guest whose QEMU opens the image itself, and start MariaDB where hyperstart shows it to the container. */
  hyperd(name: string, plug: Plug, options: GuestPodOptions = {}): Promise<GuestPod> {
    return this.#start(name, options, async (guest) => {
      const disk = await guest.plugDrive(plug);
      await guest.sh(`mount -t ${plug.fsType} ${disk} /volume`, HUNG_MS);
      await guest.sh('[ -d /volume/_data ] || mkdir -m 0777 /volume/_data');
      return '/volume/_data';
    });
  }

  async #start(
    name: string,
    { memoryMib = MEMORY_MIB }: GuestPodOptions,
    mount: (guest: SandboxGuest) => Promise<string>,
  ): Promise<GuestPod> {
    const directory = path.join(this.#directory, name);
    await mkdir(directory);
    const options = { memoryMib, programs: this.#mariadb.image, forward: PORT };
    const guest = await SandboxGuest.start(this.#system, directory, options);
    try {
      const volume = await mount(guest);
      await mountTree(guest);
      await showVolume(guest, volume);
      await startServer(guest, volume, [`--port=${PORT}`, '--bind-address=0.0.0.0']);
      return new GuestPod(guest);
    } catch (error) {
      await guest.kill();
      throw error;
    }
  }
}

export class GuestPod implements MariadbPod {
  readonly guest: SandboxGuest;
  readonly address: readonly string[];

  constructor(guest: SandboxGuest) {
    this.guest = guest;
    this.address = ['--protocol=tcp', '--host=127.0.0.1', `--port=${guest.port}`];
  }

  get pids(): readonly number[] {
    return [this.guest.pid];
  }

  log(): Promise<string> {
    return this.guest.console();
  }

  async sizeBytes(): Promise<number> {
    const [, kib] = (await this.guest.sh('df -k /volume | tail -n 1')).split(/\s+/);
    return Number(kib) * 1_024;
  }

  isAlive(): Promise<boolean> {
    return isServerAlive(this.guest);
  }

  /** The container has ended; the guest unmounts and is shut down, as a runtime ends a sandbox. */
  async ended(): Promise<void> {
    await serverEnded(this.guest);
    await hideVolume(this.guest);
    await this.guest.sh('umount /volume', HUNG_MS);
    await this.guest.shutDown();
  }

  kill(): Promise<void> {
    return this.guest.kill();
  }
}
