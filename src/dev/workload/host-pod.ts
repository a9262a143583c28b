/** A pod of the host with MariaDB: a container in namespaces of its own, with the volume where it was published. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import { run } from '../../host/process/exec.js';
import { orphanProof } from '../../host/process/orphan-proof.js';
import { Deadline } from '../../model/deadline.js';
import { packageRoot } from '../../model/package-root.js';
import { SERVER, type MariadbPod } from './mariadb-pod.js';
import type { MariadbTree } from './mariadb-tree.js';

const HUNG_MS = 60_000;
const SCRIPT = 'src/dev/workload/host-pod.sh';

/**
 * Arguments of `unshare` that run a program in a container on the tree.
 * @param root an empty directory; `volume` is what the program has at /volume
 */
export const containerOf = (
  tree: string,
  root: string,
  volume: string,
  program: readonly string[],
): readonly string[] => {
  const script = path.join(packageRoot(), SCRIPT);
  return ['--mount', '--pid', '--fork', '--kill-child=KILL', 'sh', script, tree, root, volume, ...program];
};

const soon = (): Deadline => Deadline.after(HUNG_MS);

export class HostPod implements MariadbPod {
  readonly address: readonly string[];
  readonly #child: ChildProcess;
  readonly #target: string;
  readonly #log: string;
  readonly #gone: Promise<unknown>;
  readonly #server: number;

  private constructor(child: ChildProcess, server: number, target: string, log: string, socket: string) {
    this.#child = child;
    this.#server = server;
    this.#target = target;
    this.#log = log;
    this.address = [`--socket=${socket}`];
    this.#gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve();
  }

  /**
   * @param directory of its own
   * @param target where the volume was published; `settings` are more arguments of the server
   */
  static async start(
    { tree }: MariadbTree,
    directory: string,
    target: string,
    settings: readonly string[] = [],
  ): Promise<HostPod> {
    const root = path.join(directory, 'root');
    await mkdir(root, { recursive: true });
    await copyTemplate(tree, path.join(target, 'data'));
    const log = path.join(directory, 'log');
    const descriptor = openSync(log, 'a', 0o600);
    // Abstract: it can be reached from any root, and nothing of it is left.
    const socket = `@berth-${randomBytes(8).toString('hex')}`;
    const server = [...SERVER, `--socket=${socket}`, '--skip-networking', ...settings];
    const child = spawn(...orphanProof('unshare', containerOf(tree, root, target, server)), {
      stdio: ['ignore', descriptor, descriptor],
    });
    closeSync(descriptor);
    await once(child, 'spawn');
    return new HostPod(child, await childOf(child), target, log, socket);
  }

  get pids(): readonly number[] {
    return [this.#server];
  }

  log(): Promise<string> {
    return readFile(this.#log, 'utf8');
  }

  async sizeBytes(): Promise<number> {
    const { blocks, bsize } = await statfs(this.#target);
    return blocks * bsize;
  }

  isAlive(): Promise<boolean> {
    return Promise.resolve(this.#child.exitCode === null && this.#child.signalCode === null);
  }

  async ended(): Promise<void> {
    await this.#gone;
  }

  /** As a container runtime does it; its mounts go with its last process. */
  async kill(): Promise<void> {
    if (await this.isAlive()) process.kill(this.#server, 'SIGKILL');
    await this.#gone;
  }
}

/** Whole or not at all. Not all of the host's filesystems are synced: others may stand still. */
async function copyTemplate(tree: string, data: string): Promise<void> {
  if (await isThere(data)) return;
  const draft = `${data}.new`;
  await rm(draft, { recursive: true, force: true });
  await cp(path.join(tree, 'template'), draft, { recursive: true });
  await run('sync', ['-f', draft], { deadline: soon() });
  await rename(draft, data);
}

/** The init of the new pid namespace, which `unshare` waits for. */
async function childOf({ pid }: ChildProcess): Promise<number> {
  const deadline = soon();
  for (;;) {
    const { stdout } = await run('cat', [`/proc/${pid}/task/${pid}/children`], { deadline, okCodes: [0, 1] });
    const child = Number.parseInt(stdout, 10);
    if (!Number.isNaN(child)) return child;
    if (deadline.expired) throw new Error('unshare has not begun');
  }
}
