/**
 * One emulated machine: QEMU as a child of ours, its console in a file, gone when it is told to or has ended by itself.
 */
import { spawn } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import path from 'node:path';
import { machine } from '../../../src/dev/guest/machine.js';

export interface GuestFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** Everything of this guest; `console` and `qemu.log` are written into it. */
  readonly directory: string;
  /** Writable for both sides. */
  readonly share: string;
  /** A disk image with a filesystem, which outlives the machine. */
  readonly disk: string;
}

export interface Guest {
  readonly pid: number;
  /** Resolves, never rejects, with how it ended. */
  readonly ended: Promise<string>;
  /** As a power cut. */
  kill(): Promise<void>;
}

const MEMORY_MIB = 1_024;

export const consoleOf = (directory: string): string => path.join(directory, 'console');

/** QEMU's option syntax spells a comma within a value as two. */
const escaped = (text: string): string => text.replaceAll(',', ',,');

function argumentsOf({ kernel, initramfs, directory, share, disk }: GuestFiles): readonly string[] {
  const { arguments: own, console: tty, kernelParameters } = machine();
  const parameters = [`console=${tty}`, 'panic=-1', 'quiet', ...kernelParameters];
  const shared = (source: string, tag: string, more: string): string =>
    `local,path=${escaped(source)},mount_tag=${tag},security_model=none,multidevs=remap${more}`;
  return [
    ...own,
    // Never "kvm if it is there": it may be there and hang. One processor: two on a busy host wait for each other.
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '1', '-m', String(MEMORY_MIB)],
    // A kernel that panics or is told to restart ends QEMU.
    ...['-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', parameters.join(' ')],
    ...['-serial', `file:${escaped(consoleOf(directory))}`],
    ...['-virtfs', shared('/', 'host', ',readonly=on'), '-virtfs', shared(share, 'share', '')],
    ...['-drive', `file=${escaped(disk)},if=virtio,format=raw,cache=writeback`],
    ...['-nic', 'user,model=virtio-net-pci'],
  ];
}

export function startGuest(files: GuestFiles): Guest {
  const log = openSync(path.join(files.directory, 'qemu.log'), 'a', 0o600);
  // Its own process group: Ctrl-C reaches the one who decides what becomes of the guest.
  const options = { detached: true, stdio: ['ignore', log, log] as ['ignore', number, number] };
  const child = spawn(machine().qemu.what, argumentsOf(files), options);
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid ?? 0, ended, kill };
}
