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
import { blockNodeOf, frontOf, type Disk } from './guest-disk.js';
import { machine } from './machine.js';
import type { GuestSystem } from './guest-system.js';
import type { Plug } from './hyperd-plug.js';

/** Emulated, on a busy machine: a boot takes some 5 s, ms. */
const BOOT_MS = 180_000;
const COMMAND_MS = 60_000;
const MEMORY_MIB = 384;

/** Of the guest, in the network that QEMU makes. */
const ADDRESS = '10.0.2.15';

/** No way out of the guest, and one in; the kernel of this machine chooses its port. */
const network = (port: number): readonly string[] => [
  ...['-netdev', `user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-${ADDRESS}:${port}`],
  ...['-device', 'virtio-net-pci,netdev=net0,romfile='],
];

export interface GuestOptions {
  /** Kills it, at any time. */
  readonly signal?: AbortSignal;
  readonly memoryMib?: number;
  /** An image that it has from the beginning, as `/dev/vda`, and cannot write to. */
  readonly programs?: string;
  /** A TCP port of the guest that this machine reaches on its loopback, at {@link SandboxGuest.port}. */
  readonly forward?: number;
  /** Words of QEMU's command line after ours. */
  readonly more?: readonly string[];
  /** Default: emulated. Never "kvm if it is there": it may be there and hang. */
  readonly accelerator?: 'tcg' | 'kvm';
  /** Default: one. */
  readonly cores?: number;
}

function wordsOf(options: GuestOptions): readonly string[] {
  const { memoryMib = MEMORY_MIB, accelerator = 'tcg', cores = 1, programs, forward, more = [] } = options;
  const cpu = { tcg: 'max', kvm: 'host' }[accelerator];
  return [
    ...['-accel', accelerator, '-cpu', cpu, '-smp', String(cores), '-m', String(memoryMib)],
    ...(programs === undefined ? [] : ['-drive', `file=${programs},if=virtio,format=raw,readonly=on`]),
    ...(forward === undefined ? [] : network(forward)),
    ...more,
  ];
}

/** What was plugged in under a name of the guest. */
interface Plugged {
  readonly device: string;
  /** A drive of runv's commands goes with its device. */
  readonly blockNode?: string;
}

/** Its shell is its standard input and output. */
type Qemu = ChildProcessByStdio<Writable, Readable, null>;

export class SandboxGuest {
  readonly #child: Qemu;
  readonly #directory: string;
  readonly #ended: Promise<string>;
  readonly #lines: AsyncIterator<string, undefined>;
  /** The node of the first virtio-blk that is plugged in. */
  #firstBlk = 'vda';
  #qmp: QmpSession | undefined;
  #disks = 0;
  #port: number | undefined;
  readonly #plugged = new Map<string, Plugged>();

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
    options: GuestOptions = {},
  ): Promise<SandboxGuest> {
    const { signal, programs } = options;
    signal?.throwIfAborted();
    const { arguments: own, console: tty, kernelParameters, qemu } = machine();
    const monitor = path.join(directory, 'qmp.sock');
    const log = openSync(path.join(directory, 'qemu.log'), 'a', 0o600);
    const [program, args] = orphanProof(qemu.what, [
      ...own,
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-kernel', kernel, '-initrd', initramfs],
      ...['-append', [`console=${tty}`, 'panic=-1', 'quiet', ...kernelParameters].join(' ')],
      ...['-serial', `file:${path.join(directory, 'console')}`, '-serial', 'stdio'],
      ...['-qmp', `unix:${monitor},server=on,wait=off`],
      ...['-device', 'virtio-scsi-pci,id=scsi0', '-device', 'pcie-root-port,id=port0,chassis=1'],
      ...wordsOf(options),
    ]);
    // Its own process group: Ctrl-C reaches the one who decides what becomes of the guest.
    const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', log] }) as Qemu;
    closeSync(log);
    const guest = new SandboxGuest(child, directory);
    if (programs !== undefined) guest.#firstBlk = 'vdb';
    const cut = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', cut);
    child.once('exit', () => signal?.removeEventListener('abort', cut));
    try {
      await guest.#until(/^guest: (ready)$/, BOOT_MS);
      guest.#qmp = await QmpSession.connect(monitor, Deadline.after(COMMAND_MS));
      if (options.forward !== undefined) await guest.#joinNetwork();
    } catch (error) {
      await guest.kill();
      throw error;
    }
    return guest;
  }

  /** Joined by hand: nobody answers DHCP's questions in here. */
  async #joinNetwork(): Promise<void> {
    await this.sh(`ip link set lo up && ip link set eth0 up && ip addr add ${ADDRESS}/24 dev eth0`);
    const text = String(
      await this.#execute('human-monitor-command', { 'command-line': 'info usernet' }, Deadline.after(COMMAND_MS)),
    );
    this.#port = Number(/HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(text)?.[1]);
  }

  /** Where this machine's loopback reaches the guest's port. */
  get port(): number {
    if (this.#port === undefined) throw new Error('the guest was given no network');
    return this.#port;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Plug a disk in as the runtimes do: `blockdev-add`, then `device_add`. Where the guest has it: `/dev/vda`,
   * `/dev/sda`.
   */
  async plug({ device, readOnly, as, tuning = {} }: Disk): Promise<string> {
    const name = `drive-${this.#disks++}`;
    const deadline = Deadline.after(COMMAND_MS);
    const { file: how, raw } = blockNodeOf(tuning);
    const file = { driver: 'host_device', filename: device, ...how };
    const node = { 'node-name': name, driver: 'raw', 'read-only': readOnly, file, ...raw };
    await this.#execute('blockdev-add', node, deadline);
    const where =
      as === 'virtio-blk' ? { driver: 'virtio-blk-pci', bus: 'port0' } : { driver: 'scsi-hd', bus: 'scsi0.0' };
    const front = { ...where, ...frontOf(tuning), drive: name, id: `device-${name}`, 'share-rw': true };
    await this.#execute('device_add', front, deadline);
    const plugged = { device: `device-${name}`, blockNode: name };
    return this.#appears(as === 'virtio-blk' ? this.#firstBlk : 'sda', plugged);
  }

  /** Plug a disk in as runv does: a drive that QEMU opens by itself, by the monitor for people, then `device_add`. */
  async plugDrive({ driveAdd, deviceAdd }: Plug): Promise<string> {
    const deadline = Deadline.after(COMMAND_MS);
    const said = await this.#execute('human-monitor-command', { 'command-line': driveAdd }, deadline);
    if (String(said).trim() !== 'OK') throw new Error(`drive_add: ${String(said)}`);
    await this.#execute('device_add', deviceAdd, deadline);
    return this.#appears('sda', { device: String(deviceAdd['id']) });
  }

  async #appears(node: string, plugged: Plugged): Promise<string> {
    await this.sh(`n=0; until [ -b /dev/${node} ]; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done`);
    this.#plugged.set(`/dev/${node}`, plugged);
    return `/dev/${node}`;
  }

  /** Take out what was plugged in there and is not mounted any more; QEMU has closed it when this returns. */
  async unplug(disk: string): Promise<void> {
    const plugged = this.#plugged.get(disk);
    if (plugged === undefined || this.#qmp === undefined) throw new Error(`nothing was plugged in as ${disk}`);
    const deadline = Deadline.after(COMMAND_MS);
    const { device, blockNode } = plugged;
    await this.#execute('device_del', { id: device }, deadline);
    await this.#qmp.event('DEVICE_DELETED', (data) => data['device'] === device, deadline);
    if (blockNode !== undefined) await this.#execute('blockdev-del', { 'node-name': blockNode }, deadline);
    this.#plugged.delete(disk);
  }

  /** Run a line of its shell; its output. Throws where it fails. One that takes longer than `ms` ends the guest. */
  async sh(line: string, ms = COMMAND_MS): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    const { text, found } = await this.#until(/^guest: ended (\d+)$/, ms);
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
          throw new Error(`the guest ended; it said: ${before.join('\n')}; ${await this.#lastWords()}`);
        const line = value.replaceAll('\r', '');
        const found = wanted.exec(line)?.[1];
        if (found !== undefined) return { text: before.join('\n'), found };
        before.push(line);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What its kernel has said so far, and whoever writes to /dev/console. */
  console = (): Promise<string> => this.#read('console');

  async #lastWords(): Promise<string> {
    return `${(await this.console()).slice(-1_500)} ${(await this.#read('qemu.log')).slice(-500)}`;
  }

  #read(name: string): Promise<string> {
    return readFile(path.join(this.#directory, name), 'utf8').catch(() => '');
  }
}
