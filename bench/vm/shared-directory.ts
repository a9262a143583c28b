/** A directory of the host that a guest shares, by virtio-fs and by 9p, as runtimes give it to one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isThere } from '../../src/host/is-there.js';
import { orphanProof } from '../../src/host/process/orphan-proof.js';

/** That of QEMU 7 in C, and the one in Rust, of which each is a package's. */
const DAEMONS = ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd'];
const STARTED_MS = 30_000;
const POLL_MS = 50;

export class SharedDirectory {
  /** On the host; the volume is mounted at `volume` of it. */
  readonly path: string;
  readonly #socket: string;
  readonly #daemon: ChildProcess;

  private constructor(directory: string, socket: string, daemon: ChildProcess) {
    this.path = directory;
    this.#socket = socket;
    this.#daemon = daemon;
  }

  get volume(): string {
    return path.join(this.path, 'volume');
  }

  /** @param directory short: its socket is there */
  static async serve(directory: string): Promise<SharedDirectory> {
    const shared = path.join(directory, 'shared');
    const socket = path.join(directory, 'fs.sock');
    await mkdir(path.join(shared, 'volume'), { recursive: true });
    const found = await Promise.all(DAEMONS.map(isThere));
    const program = DAEMONS.find((_, index) => found[index] === true);
    if (program === undefined) throw new Error('there is no virtiofsd here; install virtiofsd, or qemu-system-common');
    const log = openSync(path.join(directory, 'virtiofsd.log'), 'a', 0o600);
    // As Kata starts it (cache=auto); in our mount namespace, where the volume comes and goes.
    const args = [`--socket-path=${socket}`, '-o', `source=${shared},sandbox=chroot,cache=auto`];
    const daemon = spawn(...orphanProof(program, args), { stdio: ['ignore', log, log] });
    closeSync(log);
    const until = performance.now() + STARTED_MS;
    while (!(await isThere(socket))) {
      if (performance.now() > until || daemon.exitCode !== null) throw new Error(`${program} did not start`);
      await sleep(POLL_MS);
    }
    return new SharedDirectory(shared, socket, daemon);
  }

  /** Words of QEMU's command line: both ways, and the memory that virtio-fs shares. */
  words(memoryMib: number): readonly string[] {
    return [
      ...['-object', `memory-backend-memfd,id=mem,size=${memoryMib}M,share=on`, '-machine', 'memory-backend=mem'],
      ...['-chardev', `socket,id=fs,path=${this.#socket}`],
      ...['-device', 'vhost-user-fs-pci,chardev=fs,tag=virtiofs'],
      ...['-fsdev', `local,id=nine,path=${this.path},security_model=none,multidevs=remap`],
      ...['-device', 'virtio-9p-pci,fsdev=nine,mount_tag=nine'],
    ];
  }

  async end(): Promise<void> {
    if (this.#daemon.exitCode !== null || this.#daemon.signalCode !== null) return;
    const gone = once(this.#daemon, 'exit');
    this.#daemon.kill('SIGKILL');
    await gone;
  }
}

/** Modules of the guest, and how it mounts each. */
export const MODULES: readonly string[] = ['fuse', 'virtiofs', '9pnet_virtio', '9p'];
export const MOUNTS = {
  virtiofs: 'mount -t virtiofs virtiofs',
  /** As Kata does it, with larger messages. */
  '9p': 'mount -t 9p -o trans=virtio,version=9p2000.L,cache=mmap,msize=512000 nine',
} as const;
