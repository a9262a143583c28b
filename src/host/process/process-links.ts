/**
 * What processes have open, from the links in /proc alone:
 * they are answered from memory and never wait for a filesystem.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

export interface ProcessLinks {
  readonly pid: number;
  /** The program's name as the kernel keeps it, 15 characters at most. */
  readonly name: () => string;
  /** `mnt:[4026531840]`; undefined where the process has ended or may not be examined. */
  readonly mountNamespace: () => string | undefined;
  /** Where its open descriptors point to. */
  readonly descriptors: () => readonly string[];
  /** Working directory, root and program. */
  readonly places: () => readonly string[];
}

/**
 * Every process, the youngest first: whoever came last is in the way as a rule. Read without the thread pool, which
 * costs fifty times what the kernel needs for a link; between two processes everybody else has a turn.
 */
export async function* processLinks(procRoot = '/proc'): AsyncGenerator<ProcessLinks> {
  const pids = list(procRoot).filter((name) => /^\d+$/.test(name));
  for (const pid of pids.map(Number).sort((a, b) => b - a)) {
    await turn();
    yield linksOf(path.join(procRoot, String(pid)), pid);
  }
}

export const mountNamespaceOf = (procRoot: string, pid: number | 'self'): string | undefined =>
  link(path.join(procRoot, String(pid), 'ns/mnt'));

function linksOf(directory: string, pid: number): ProcessLinks {
  const follow = (names: readonly string[]): readonly string[] =>
    names.map((name) => link(path.join(directory, name))).filter((target) => target !== undefined);
  return {
    pid,
    name: () => {
      try {
        return readFileSync(path.join(directory, 'comm'), 'utf8').trim();
      } catch {
        return 'ended';
      }
    },
    mountNamespace: () => mountNamespaceOf(path.dirname(directory), pid),
    descriptors: () => follow(list(path.join(directory, 'fd')).map((name) => `fd/${name}`)),
    places: () => follow(['cwd', 'root', 'exe']),
  };
}

/** Nothing where the process has ended or belongs to somebody whom we may not examine. */
function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function link(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}
