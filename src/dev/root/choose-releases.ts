/**
 * `--ceph RELEASE` and `--client RELEASE` of the development commands: unpacks what they need, and runs this program
 * again in the client's root.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Exec } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { CEPH_ROOT, CLIENT_ROOT } from '../ceph/programs.js';
import { WrongCall } from '../run-tool.js';
import { argumentsInRoot } from './in-root.js';
import { CEPH_RELEASES, isCephRelease, SUITE_OF } from './release.js';
import { unpackedRoot } from './unpacked-root.js';

/** For node:util's parseArgs. */
export const RELEASE_OPTIONS = { ceph: { type: 'string' }, client: { type: 'string' } } as const;

const NAMES = CEPH_RELEASES.join(', ');

export const RELEASE_USAGE = `  --ceph RELEASE   the cluster is of Ceph ${NAMES}, unpacked into a cache (this machine's)
  --client RELEASE the driver and its tools use that Ceph's client (this machine's)
`;

export interface Releases {
  readonly ceph?: string | undefined;
  readonly client?: string | undefined;
}

const UNPACK_MS = 1_800_000;

/**
 * Make the releases ready for this process and its children. Undefined: go on; the client is right as well. Else this
 * program has run again in the client's root, and the number is its exit code.
 * @throws WrongCall for a release that is not known; BERTH_PACKAGES_MISSING, BERTH_COMMAND_FAILED, DEADLINE
 */
export async function chooseReleases(
  exec: Exec,
  releases: Releases,
  say: (line: string) => void,
): Promise<number | undefined> {
  // The child has both already: it was given them by its environment.
  if (process.env[CLIENT_ROOT] !== undefined) return undefined;
  const root = await clientRoot(exec, releases, say);
  if (root === undefined) return undefined;
  process.env[CLIENT_ROOT] = root;
  return runAgainIn(root);
}

/**
 * Make the cluster's release ready for this process and its children, and say where the client's programs are; they
 * are entered by the caller. Undefined: this machine's. Errors as {@link chooseReleases}.
 */
export async function clientRoot(
  exec: Exec,
  { ceph, client }: Releases,
  say: (line: string) => void,
): Promise<string | undefined> {
  const deadline = Deadline.after(UNPACK_MS);
  const rootOf = (release: string): Promise<string> => unpackedRoot(exec, suiteOf(release), say, deadline);
  // The host's own programs are hidden in a client's root: the cluster is then of that release, or of a named one.
  const cluster = ceph ?? client;
  if (cluster !== undefined) process.env[CEPH_ROOT] = await rootOf(cluster);
  return client === undefined ? undefined : rootOf(client);
}

function suiteOf(release: string) {
  if (isCephRelease(release)) return SUITE_OF[release];
  throw new WrongCall(`Ceph ${release} is none of ${CEPH_RELEASES.join(', ')}`);
}

/** With the same arguments; signals are handed on, and it ends when that one ends. */
function runAgainIn(root: string): Promise<number> {
  const [program, args] = argumentsInRoot(root, process.execPath, process.argv.slice(1));
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
