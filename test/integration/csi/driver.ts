/**
 * A real driver process of the tests: its own socket, state directory, node id and log; it may be killed and started
 * again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../../src/host/errno.js';
import { connect, type Services } from './calls.js';

const DEVELOPMENT = 'dist/dev/driver-program.js';
/** Longer than this it hangs. */
const READY_MS = 60_000;
const DRAIN_MS = 60_000;
const PROBE_MS = 2_000;
const POLL_MS = 30;

export interface DriverOptions {
  readonly name: string;
  readonly nodeId: string;
  readonly directory: string;
  readonly clustersFile: string;
  readonly services?: string;
  readonly arguments?: readonly string[];
  /** Of its environment, whenever it is started. */
  readonly env?: Readonly<Record<string, string>>;
  /** Below the package; default: the driver of development. */
  readonly program?: string;
  /** A program with arguments that runs the driver's command line in its own place; its pid must stay. */
  readonly within?: readonly string[];
}

export class Driver {
  readonly name: string;
  readonly nodeId: string;
  readonly socket: string;
  readonly stateDir: string;
  readonly logFile: string;
  /** Where it keeps records for Kata's runtimes; exists once there was one. */
  readonly kataRecords: string;
  /** With which the next start goes on; undefined for the driver of development. */
  program: string | undefined;
  readonly #options: DriverOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<string> = Promise.resolve('never started');
  #calls: Services | undefined;

  constructor(options: DriverOptions) {
    const { name, nodeId, directory } = options;
    this.#options = options;
    this.name = name;
    this.nodeId = nodeId;
    this.socket = path.join(directory, `${name}.sock`);
    this.stateDir = path.join(directory, `${name}-state`);
    this.kataRecords = path.join(directory, `${name}-kata/direct-volumes`);
    this.logFile = path.join(directory, `${name}.log`);
    this.program = options.program;
  }

  get calls(): Services {
    if (this.#calls === undefined) throw new Error(`${this.name} does not run`);
    return this.#calls;
  }

  get controller(): Services['controller'] {
    return this.calls.controller;
  }

  get node(): Services['node'] {
    return this.calls.node;
  }

  get identity(): Services['identity'] {
    return this.calls.identity;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  /** Start the process and wait until it is ready, or only until it listens. */
  async start(until: 'ready' | 'listening' = 'ready', env: Readonly<Record<string, string>> = {}): Promise<this> {
    await mkdir(this.#options.directory, { recursive: true });
    const log = await open(this.logFile, 'a', 0o600);
    const [program = '', ...args] = [...(this.#options.within ?? []), process.execPath, ...this.#arguments()];
    const child = spawn(program, args, {
      env: { ...process.env, BERTH_GUESTS_IN: this.#options.directory, ...this.#options.env, ...env },
      stdio: ['ignore', log.fd, log.fd],
    });
    await log.close();
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
      child.once('error', (error) => resolve(error.message));
    });
    this.#calls = connect(this.socket);
    await this.#await(until);
    return this;
  }

  #arguments(): readonly string[] {
    const { nodeId, clustersFile, services = 'identity,controller,node' } = this.#options;
    return [
      path.resolve(this.program ?? DEVELOPMENT),
      ...['--endpoint', `unix://${this.socket}`, '--clusters', clustersFile, '--node-id', nodeId],
      ...['--state-dir', this.stateDir, '--services', services, '--log-level', 'trace'],
      ...['--kata-records', this.kataRecords, '--kubelet-dir', 'none'],
      ...(this.#options.arguments ?? []),
    ];
  }

  async #await(until: 'ready' | 'listening'): Promise<void> {
    const last = performance.now() + READY_MS;
    for (;;) {
      const answer = await this.identity.Probe({}, PROBE_MS).catch(() => undefined);
      if (answer?.ready?.value === true || (answer !== undefined && until === 'listening')) return;
      const state = await Promise.race([this.#ended, sleep(POLL_MS, 'running')]);
      if (state !== 'running' || performance.now() > last) {
        throw new Error(`${this.name} is not ${until} (${state}): ${(await this.log()).slice(-2_000)}`);
      }
    }
  }

  /** Wait for an end that it comes to by itself: `SIGKILL`, or `alive` after `ms`. */
  async death(ms: number): Promise<string> {
    const how = await Promise.race([this.#ended, sleep(ms, 'alive')]);
    return how === 'alive' ? how : this.stop('SIGKILL');
  }

  /** End it by a signal and wait for that; how it ended: `exit code 0`, `SIGKILL`. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<string> {
    if (this.#child === undefined) return 'exit code 0';
    this.#child.kill(signal);
    const stubborn = setTimeout(() => this.#child?.kill('SIGKILL'), DRAIN_MS);
    const how = await this.#ended;
    clearTimeout(stubborn);
    this.#calls?.close();
    this.#child = undefined;
    this.#calls = undefined;
    return how;
  }

  /** All that it has logged so far. */
  log(): Promise<string> {
    return readFile(this.logFile, 'utf8').catch(() => '');
  }

  /** Resolves when a line of its log says this of a volume; the log leaves it in bunches, every 50 ms. */
  async says(message: string, volume: string): Promise<void> {
    const last = performance.now() + READY_MS;
    const isIt = (line: string): boolean => line.includes(`"${message}"`) && line.includes(`"${volume}"`);
    while (!(await this.log()).split('\n').some(isIt)) {
      if (performance.now() > last) throw new Error(`${this.name} never said "${message}" of ${volume}`);
      await sleep(POLL_MS);
    }
  }

  /** A directory that exists, as the orchestrator makes it before a stage. */
  async stagingPath(volume: string): Promise<string> {
    const directory = path.join(this.#options.directory, this.name, 'staging', volume.replaceAll('/', '~'));
    // It is there, and does not answer, where the filesystem at it has shut down.
    await mkdir(directory, { recursive: true }).catch((error: unknown) => {
      if (!isErrno(error, 'EIO')) throw error;
    });
    return directory;
  }

  /** A path that does not exist in a directory that does, as the orchestrator leaves it before a publish. */
  async targetPath(volume: string, pod: string): Promise<string> {
    const directory = path.join(this.#options.directory, this.name, 'pods', pod, volume.replaceAll('/', '~'));
    await mkdir(directory, { recursive: true });
    return path.join(directory, 'mount');
  }
}
