/** The driver as a child process: started, waited for until it is ready, watched, and told to end. */
import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot, programFile } from '../../model/package-root.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { ask, csiClient } from './csi-client.js';
import type { ProbeResponse__Output } from '../../csi/gen/csi/v1/ProbeResponse.js';

export interface DriverOptions {
  /** Absolute; the endpoint is `unix://` and this, unless `options` names another. */
  readonly socket: string;
  readonly clustersFile: string;
  readonly nodeId: string;
  readonly stateDir: string;
  readonly services: readonly ('identity' | 'controller' | 'node')[];
  /** Default: `development`, which can map without kernel help and end itself at a chosen step. */
  readonly program?: keyof typeof PROGRAMS;
  /** Default: info. */
  readonly logLevel?: 'info' | 'debug';
  readonly logFile: string;
  /** More of the driver's own options, which count before those that are made here. */
  readonly options?: readonly string[];
  /**
   * A program with arguments that runs the driver's command line in its own place,
   * such as `nsenter`: its pid must stay.
   */
  readonly within?: readonly string[];
}

export interface Driver {
  readonly pid: number;
  /** Where it serves. */
  readonly endpoint: string;
  /** Resolves, never rejects, with how it ended: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  /** Resolves once Probe answers ready; BERTH_DRIVER_DIED with its last log lines, DEADLINE. */
  ready(deadline: Deadline): Promise<void>;
  /** SIGTERM, then wait for the drain; SIGKILL after {@link DRAIN_MS}. */
  stop(): Promise<void>;
  /** The error of a driver that ended by itself, with its last log lines. */
  death(): Promise<Error>;
}

const PROGRAMS = {
  development: path.join(packageRoot(), 'dist/dev/driver-program.js'),
  shipped: programFile('main.js'),
};
/** Longer than the driver's own patience with calls in flight. */
const DRAIN_MS = 30_000;
const PROBE_MS = 2_000;
const POLL_MS = 50;
const LOG_LINES = 8;

const argumentsOf = (options: DriverOptions): readonly string[] => [
  PROGRAMS[options.program ?? 'development'],
  ...['--endpoint', `unix://${options.socket}`],
  ...['--clusters', options.clustersFile],
  ...['--node-id', options.nodeId],
  ...['--state-dir', options.stateDir],
  ...['--services', options.services.join(',')],
  ...['--mounter', 'auto'],
  ...['--log-level', options.logLevel ?? 'info'],
  ...(options.options ?? []),
];

/** The last one counts, as it does for the driver. */
function endpointOf({ socket, options = [] }: DriverOptions): string {
  const given = options.flatMap((one, index) => {
    if (one === '--endpoint') return options.slice(index + 1, index + 2);
    return one.startsWith('--endpoint=') ? [one.slice('--endpoint='.length)] : [];
  });
  return given.at(-1) ?? `unix://${socket}`;
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
}

async function probe(endpoint: string): Promise<boolean> {
  const client = csiClient(endpoint);
  try {
    const options = { deadline: Date.now() + PROBE_MS };
    const answer = await ask<ProbeResponse__Output>((done) => client.identity.Probe({}, options, done));
    return answer.ready?.value === true;
  } catch {
    // Not listening yet.
    return false;
  } finally {
    client.close();
  }
}

/** Start it; its log is appended to `logFile`. BERTH_DRIVER_DIED where node itself cannot be started. */
export async function startDriver(options: DriverOptions): Promise<Driver> {
  const log = await open(options.logFile, 'a', 0o600);
  const [program = process.execPath, ...args] = [...(options.within ?? []), process.execPath, ...argumentsOf(options)];
  // A process group of its own: Ctrl-C reaches us alone, and we pass it on as the SIGTERM that drains.
  // No kubelet, unless somebody names one: a driver that misses its kubelet is not ready.
  const env = { BERTH_KUBELET_DIR: 'none', ...process.env };
  const child = spawn(program, args, { env, detached: true, stdio: ['ignore', log.fd, log.fd] });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
  });
  await log.close();
  const death = async (): Promise<Error> =>
    berthError('BERTH_DRIVER_DIED', {
      how: await ended,
      log: options.logFile,
      lines: await lastLines(options.logFile),
    });
  const { pid } = child;
  const endpoint = endpointOf(options);
  if (pid === undefined) throw await death();
  return {
    pid,
    endpoint,
    ended,
    death,
    ready: async (deadline) => {
      const ms = Math.round(deadline.remaining());
      const end = ended.then(() => 'ended' as const);
      while (!(await probe(endpoint))) {
        if ((await Promise.race([end, sleep(POLL_MS)])) === 'ended') throw await death();
        if (deadline.expired) {
          const what = `the driver becoming ready (its last log lines: ${await lastLines(options.logFile)})`;
          throw berthError('BERTH_DEADLINE', { what, ms });
        }
      }
    },
    stop: async () => {
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS);
      await ended;
      clearTimeout(patience);
    },
  };
}
