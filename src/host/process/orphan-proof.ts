/**
 * A child that dies with this process, whatever ends it: half-done work of a plugin that was killed must not race the
 * next one.
 */
import { spawnSync } from 'node:child_process';

/**
 * The kernel sends the signal when the thread that forked ends; it forgets it at a fork, so that daemons (rbd-nbd, the
 * storage daemon) live on. A parent that ended before it was set is told by PPID: then the tool is not started.
 * Arguments stay arguments.
 */
const SCRIPT = '[ "$PPID" = "$1" ] && shift && exec "$@"';
const SHELL = '/bin/sh';
/** The script's own name, by which its words are told from the tool's. */
export const WRAPPER_NAME = 'berth-exec';
const CHECK_MS = 5_000;

let isPossible: boolean | undefined;

/**
 * Program and arguments that run `file` as the same process, bound to ours; unchanged where setpriv cannot (busybox).
 */
export function orphanProof(file: string, args: readonly string[]): [string, readonly string[]] {
  isPossible ??= works();
  return isPossible ? wrap([file, ...args]) : [file, args];
}

const wrap = (command: readonly string[]): [string, readonly string[]] => ['setpriv', bindToParent(command)];

/** The last words of a setpriv that runs `command` bound to this process, after what else it is to set. */
export const bindToParent = (command: readonly string[]): readonly string[] => [
  ...['--pdeathsig', 'KILL', '--', SHELL, '-c', SCRIPT, WRAPPER_NAME, String(process.pid)],
  ...command,
];

/** Once, for a child that says something else than a shell or setpriv would. */
function works(): boolean {
  const said = 'bound';
  const [file, args] = wrap(['echo', said]);
  const { stdout } = spawnSync(file, args, {
    encoding: 'utf8',
    timeout: CHECK_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return (stdout as string | null)?.trim() === said;
}

/**
 * The system's code where the wrapper ran and the tool could not be started (POSIX:
 * 127 and 126); undefined where it ran.
 */
export function whyNotStarted(result: {
  readonly exitCode?: number | undefined;
  readonly stderr: string;
}): string | undefined {
  if (!result.stderr.startsWith(`${WRAPPER_NAME}: `)) return undefined;
  if (result.exitCode === 127) return 'ENOENT';
  return result.exitCode === 126 ? 'EACCES' : undefined;
}
