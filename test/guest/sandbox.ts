/**
 * A small emulated machine as the sandbox of a pod: boots from memory, takes disks over QMP as runtimes plug them, and
 * runs what it is told.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { QmpSession } from '../../src/dev/mapper/qmp.js';
import { Archive } from '../vm/outside/cpio.js';
import { machine } from '../vm/outside/machine.js';
import { earlyModules } from '../vm/outside/modules.js';
import { unpackedPackages } from '../vm/outside/unpacked.js';
import type { Plug } from './runv.js';

/** Emulated, on a busy machine: a boot takes some 5 s, ms. */
const BOOT_MS = 180_000;
const COMMAND_MS = 60_000;
const PACKAGES_MS = 900_000;
const MEMORY_MIB = 384;
const MODULES = [
  ...['crc32c_generic', 'crc32c_intel', 'virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'ext4', 'xfs'],
];

/** A kernel, and its first and only file system. */
export interface GuestSystem {
  readonly kernel: string;
  readonly initramfs: string;
}

/** Made once for a test file, in a directory of it. */
export async function guestSystem(directory: string): Promise<GuestSystem> {
  const unpacked = await unpackedPackages(run, () => undefined, Deadline.after(PACKAGES_MS));
  const archive = new Archive();
  for (const name of ['bin', 'proc', 'sys', 'dev', 'modules']) archive.directory(name);
  archive.file('bin/busybox', await readFile(unpacked.busybox), 0o755);
  archive.file('init', await readFile(path.resolve('test/guest/init')), 0o755);
  const order = await earlyModules(unpacked.modules, MODULES);
  for (const module of order)
    archive.file(`modules/${path.basename(module)}`, await readFile(path.join(unpacked.modules, module)));
  archive.file('modules/order', order.map((module) => `${path.basename(module)}\n`).join(''));
  const initramfs = path.join(directory, 'guest-initramfs');
  await writeFile(initramfs, archive.end());
  return { kernel: unpacked.kernel, initramfs };
}

export interface Disk {
  readonly device: string;
  readonly readOnly: boolean;
  /** As Kata's `block_device_driver` says. */
  readonly as: 'virtio-blk' | 'virtio-scsi';
}

export class SandboxGuest {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #ended: Promise<string>;
  readonly #lines: AsyncIterator<string, undefined>;
  #qmp: QmpSession | undefined;
  #disks = 0;

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`)),
    );
  }

  /** Boot one; it answers when this returns. @param directory of its own, short: its sockets and console are there */
  static async start({ kernel, initramfs }: GuestSystem, directory: string): Promise<SandboxGuest> {
    const { arguments: own, console: tty, kernelParameters, qemu } = machine();
    const monitor = path.join(directory, 'qmp.sock');
    const log = openSync(path.join(directory, 'qemu.log'), 'a', 0o600);
    const child = spawn(
      qemu.what,
      [
        ...own,
        // Never "kvm if it is there": it may be there and hang.
        ...['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(MEMORY_MIB)],
        ...['-nodefaults', '-display', 'none', '-no-reboot', '-kernel', kernel, '-initrd', initramfs],
        ...['-append', [`console=${tty}`, 'panic=-1', 'quiet', ...kernelParameters].join(' ')],
        ...['-serial', `file:${path.join(directory, 'console')}`, '-serial', 'stdio'],
        ...['-qmp', `unix:${monitor},server=on,wait=off`],
        ...['-device', 'virtio-scsi-pci,id=scsi0', '-device', 'pcie-root-port,id=port0,chassis=1'],
      ],
      { stdio: ['pipe', 'pipe', log] },
    );
    closeSync(log);
    const guest = new SandboxGuest(child, directory);
    try {
      await guest.#until(/^guest: (ready)$/, BOOT_MS);
      guest.#qmp = await QmpSession.connect(monitor, Deadline.after(COMMAND_MS));
    } catch (error) {
      await guest.kill();
      throw error;
    }
    return guest;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Plug a disk in as the runtimes do: `blockdev-add`, then `device_add`. Where the guest has it: `/dev/vda`,
   * `/dev/sda`.
   */
  async plug({ device, readOnly, as }: Disk): Promise<string> {
    const name = `drive-${this.#disks++}`;
    const deadline = Deadline.after(COMMAND_MS);
    const file = { driver: 'host_device', filename: device };
    await this.#execute('blockdev-add', { 'node-name': name, driver: 'raw', 'read-only': readOnly, file }, deadline);
    const where =
      as === 'virtio-blk' ? { driver: 'virtio-blk-pci', bus: 'port0' } : { driver: 'scsi-hd', bus: 'scsi0.0' };
    await this.#execute('device_add', { ...where, drive: name, id: `device-${name}`, 'share-rw': true }, deadline);
    return this.#appears(as === 'virtio-blk' ? 'vda' : 'sda');
  }

  /** Plug a disk in as runv does: a drive that QEMU opens by itself, by the monitor for people, then `device_add`. */
  async plugDrive({ driveAdd, deviceAdd }: Plug): Promise<string> {
    const deadline = Deadline.after(COMMAND_MS);
    const said = await this.#execute('human-monitor-command', { 'command-line': driveAdd }, deadline);
    if (String(said).trim() !== 'OK') throw new Error(`drive_add: ${String(said)}`);
    await this.#execute('device_add', deviceAdd, deadline);
    return this.#appears('sda');
  }

  async #appears(node: string): Promise<string> {
    await this.sh(`n=0; until [ -b /dev/${node} ]; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done`);
    return `/dev/${node}`;
  }

  /** Run a line of its shell; its output. Throws where it fails. */
  async sh(line: string): Promise<string> {
    this.#child.stdin!.write(`${line}\n`);
    const { text, found } = await this.#until(/^guest: ended (\d+)$/, COMMAND_MS);
    if (found !== '0') throw new Error(`the guest's "${line}" ended with ${found}: ${text}`);
    // The guest begins a new line before its own, whether or not the output had ended one.
    return text.replace(/\n$/, '');
  }

  /** Shut down in order; how QEMU ended. */
  async shutDown(): Promise<string> {
    this.#qmp?.close();
    this.#child.stdin!.write('poweroff -f\n');
    return this.#ended;
  }

  /** As a power cut; also of one that is off already. */
  async kill(): Promise<void> {
    this.#qmp?.close();
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #execute(command: string, args: Readonly<Record<string, unknown>>, deadline: Deadline): Promise<unknown> {
    if (this.#qmp === undefined) throw new Error('the guest has no monitor');
    return this.#qmp.execute(command, args, deadline);
  }

  /** Lines up to one that matches, and its group. */
  async #until(wanted: RegExp, ms: number): Promise<{ text: string; found: string }> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ms);
    const before: string[] = [];
    try {
      for (;;) {
        const { value } = await this.#lines.next();
        if (value === undefined)
          throw new Error(`the guest ended; it said: ${before.join('\n')}; ${await this.#console()}`);
        const line = value.replaceAll('\r', '');
        const found = wanted.exec(line)?.[1];
        if (found !== undefined) return { text: before.join('\n'), found };
        before.push(line);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #console(): Promise<string> {
    const read = (name: string) => readFile(path.join(this.#directory, name), 'utf8').catch(() => '');
    return `${(await read('console')).slice(-1_500)} ${(await read('qemu.log')).slice(-500)}`;
  }
}
