/**
 * A small emulated machine as the sandbox of a pod: boots from memory, takes disks over QMP as runtimes plug them, and
 * runs what it is told.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { orphanProof } from '../../host/process/orphan-proof.js';
import { Deadline } from '../../model/deadline.js';
import { QmpSession } from '../mapper/qmp.js';
import { machine } from './machine.js';
import type { GuestSystem } from './guest-system.js';
import type { Plug } from './hyperd-plug.js';

/** Emulated, on a busy machine: a boot takes some 5 s, ms. */
const BOOT_MS = 180_000;
const COMMAND_MS = 60_000;
const MEMORY_MIB = 384;

export interface Disk {
  readonly device: string;
  readonly readOnly: boolean;
  /** As Kata's `block_device_driver` says. */
  readonly as: 'virtio-blk' | 'virtio-scsi';
}

export interface GuestOptions {
  /** Kills it, at any time. */
  readonly signal?: AbortSignal;
}

/** Its shell is its standard input and output. */
type Qemu = ChildProcessByStdio<Writable, Readable, null>;

export class SandboxGuest {
  readonly #child: Qemu;
  readonly #directory: string;
  readonly #ended: Promise<string>;
  readonly #lines: AsyncIterator<string, undefined>;
  #qmp: QmpSession | undefined;
  #disks = 0;

  private constructor(child: Qemu, directory: string) {
    this.#child = child;
    this.#directory = directory;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
    });
    // A guest that has ended says so by its output.
    child.stdin.on('error', () => undefined);
  }

  /**
   * Boot one; it answers when this returns. It dies with this process.
   * @param directory of its own, short: its sockets and console are there
   */
  static async start(
    { kernel, initramfs }: GuestSystem,
    directory: string,
    { signal }: GuestOptions = {},
  ): Promise<SandboxGuest> {
    signal?.throwIfAborted();
    const { arguments: own, console: tty, kernelParameters, qemu } = machine();
    const monitor = path.join(directory, 'qmp.sock');
    const log = openSync(path.join(directory, 'qemu.log'), 'a', 0o600);
    const [program, args] = orphanProof(qemu.what, [
      ...own,
      // Never "kvm if it is there": it may be there and hang.
      ...['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(MEMORY_MIB)],
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-kernel', kernel, '-initrd', initramfs],
      ...['-append', [`console=${tty}`, 'panic=-1', 'quiet', ...kernelParameters].join(' ')],
      ...['-serial', `file:${path.join(directory, 'console')}`, '-serial', 'stdio'],
      ...['-qmp', `unix:${monitor},server=on,wait=off`],
      ...['-device', 'virtio-scsi-pci,id=scsi0', '-device', 'pcie-root-port,id=port0,chassis=1'],
    ]);
    // Its own process group: Ctrl-C reaches the one who decides what becomes of the guest.
    const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', log] }) as Qemu;
    closeSync(log);
    const guest = new SandboxGuest(child, directory);
    const cut = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', cut);
    child.once('exit', () => signal?.removeEventListener('abort', cut));
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
    this.#child.stdin.write(`${line}\n`);
    const { text, found } = await this.#until(/^guest: ended (\d+)$/, COMMAND_MS);
    if (found !== '0') throw new Error(`the guest's "${line}" ended with ${found}: ${text}`);
    // The guest begins a new line before its own, whether or not the output had ended one.
    return text.replace(/\n$/, '');
  }

  /** Shut down in order; how QEMU ended. */
  async shutDown(): Promise<string> {
    this.#qmp?.close();
    this.#child.stdin.write('poweroff -f\n');
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
