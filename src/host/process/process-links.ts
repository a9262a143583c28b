/**
 * What processes have open, from the links in /proc alone:
 * they are answered from memory and never wait for a filesystem.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isErrno } from '../errno.js';

/** An open descriptor. */
export interface Descriptor {
  /** The kernel's link to what it is open on; who follows it asks that file. */
  readonly file: string;
  /** Where it points to, as text. */
  readonly target: string;
}

export interface ProcessLinks {
  readonly pid: number;
  /** The program's name as the kernel keeps it, 15 characters at most. */
  readonly name: () => string;
  /** `mnt:[4026531840]`; undefined where the process has ended or may not be examined. */
  readonly mountNamespace: () => string | undefined;
  /**
   * Read anew each time, one after the other: who follows one does so before the next is read, while it is what its
   * text says.
   */
  readonly descriptors: () => Iterable<Descriptor>;
  /** Working directory, root and program. */
  readonly places: () => readonly string[];
}

/** For how long processes are looked at in one go, ms; a node has thousands, and most take some microseconds. */
const TURN_MS = 1;

/**
 * Every process, the youngest first: whoever came last is in the way as a rule. Read without the thread pool, which
 * costs fifty times what the kernel needs for a link; everybody else has a turn after each {@link TURN_MS}.
 */
export async function* processLinks(procRoot = '/proc'): AsyncGenerator<ProcessLinks> {
  const pids = list(procRoot).filter((name) => /^\d+$/.test(name));
  let begun = performance.now();
  for (const pid of pids.map(Number).sort((a, b) => b - a)) {
    if (performance.now() - begun > TURN_MS) {
      await turn();
      begun = performance.now();
    }
    yield linksOf(procRoot, pid);
  }
}

export const mountNamespaceOf = (procRoot: string, pid: number | 'self'): string | undefined =>
  link(`${procRoot}/${pid}/ns/mnt`);

function linksOf(procRoot: string, pid: number): ProcessLinks {
  const directory = `${procRoot}/${pid}`;
  return {
    pid,
    name: () => {
      try {
        return readFileSync(`${directory}/comm`, 'utf8').trim();
      } catch {
        return 'ended';
      }
    },
    mountNamespace: () => mountNamespaceOf(procRoot, pid),
    descriptors: () => descriptorsOf(`${directory}/fd`),
    places: () => ['cwd', 'root', 'exe'].flatMap((name) => link(`${directory}/${name}`) ?? []),
  };
}

/** Who may not read one link of a process may read none of them (fs/proc/base.c, proc_fd_access_allowed). */
function* descriptorsOf(directory: string): Generator<Descriptor> {
  for (const name of list(directory)) {
    const file = `${directory}/${name}`;
    let target: string;
    try {
      target = readlinkSync(file);
    } catch (error) {
      if (isErrno(error, 'EACCES', 'EPERM')) return;
      continue;
    }
    yield { file, target };
  }
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
