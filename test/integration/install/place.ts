/** Machines and containers of the test: this machine's programs in a root of their own, with what each is shown. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { orphanProof } from '../../../src/host/process/orphan-proof.js';
import { packageRoot } from '../../../src/model/package-root.js';

export interface Place {
  /** `root`, or the number of somebody without any capability. */
  readonly user: 'root' | number;
  readonly directory: string;
  /** What is seen there, by the path at which it is seen. */
  readonly shown: Readonly<Record<string, string>>;
  /** Is what is mounted below a shared mount seen outside as well (mountPropagation: Bidirectional)? */
  readonly isShared?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where the package is in each of them, as in the image. */
export const PACKAGE = '/opt/berth';
export const MAIN = path.join(PACKAGE, 'dist/src/main.js');
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Longer than this a command hangs. */
const HUNG_MS = 90_000;
let serial = 0;

function commandLine(place: Place, scratch: string, command: readonly string[]): readonly string[] {
  const mounts = path.join(scratch, `place-${(serial += 1)}`);
  mkdirSync(mounts, { recursive: true });
  const shown = Object.entries({ ...place.shown, [PACKAGE]: packageRoot() });
  return [
    ...[
      '--mount',
      '--propagation',
      place.isShared === true ? 'unchanged' : 'private',
      '--',
      'sh',
      path.join(import.meta.dirname, 'place.sh'),
    ],
    ...[mounts, String(place.user), place.directory],
    ...shown.map(([target, source]) => `${source}=${target}`),
    ...['--', ...command],
  ];
}

const environmentOf = (place: Place): Record<string, string> => ({ PATH, LANG: 'C.UTF-8', ...place.env });

/** Runs it to its end, whatever that is. */
export function runIn(place: Place, scratch: string, command: readonly string[], input = ''): Promise<Outcome> {
  const options = { env: environmentOf(place), timeout: HUNG_MS, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    const child = execFile('unshare', commandLine(place, scratch, command), options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** Starts what stays; whoever asked for it ends it, or it dies with this process. */
export const startIn = (place: Place, scratch: string, command: readonly string[], log: number): ChildProcess =>
  spawn(...orphanProof('unshare', commandLine(place, scratch, command)), {
    env: environmentOf(place),
    stdio: ['ignore', log, log],
  });
