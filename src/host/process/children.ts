/**
 * The child processes this process has run: how many for the bench, which are running, for whom, and what the kernel
 * says of them.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync } from 'node:fs';

export interface RunningChild {
  readonly pid: number;
  /** Program and first argument, as error texts name it. */
  readonly command: string;
  /** `performance.now()` at its start. */
  readonly since: number;
  /** For whom it runs, see {@link owning}. */
  readonly owner: object | undefined;
  /** No deadline ends it (exec.ts). */
  readonly isWork: boolean;
  /** How far it has come, where it tells; for a sentence: `34 % of pass 1`. */
  progress?: string;
}

/** A child that was noted: what is told of it from there on. */
export interface NotedChild {
  readonly ended: () => void;
  readonly progressed: (progress: string) => void;
}

export interface EndedChild {
  readonly child: number;
  readonly command: string;
  readonly ms: number;
}

const running = new Map<number, RunningChild>();
const owners = new AsyncLocalStorage<object>();
let started = 0;
let watcher: (child: EndedChild) => void = () => undefined;

/** Be told of every child when it has ended; for the log. */
export function watchChildren(watch: (child: EndedChild) => void): void {
  watcher = watch;
}

/** Children started since this process began. */
export const childrenStarted = (): number => started;

/** Children alive now; one that outlived its deadline (D state) stays here until the kernel lets it go. */
export const runningChildren = (): readonly RunningChild[] => [...running.values()];

/** Run `job`; every child that it starts, however deep, is `owner`'s. */
export const owning = <T>(owner: object, job: () => T): T => owners.run(owner, job);

/** Children of this owner that are alive now, the oldest first. */
export const childrenOf = (owner: object): readonly RunningChild[] =>
  runningChildren().filter((child) => child.owner === owner);

/** Note a started child. @param isWork {@link RunningChild.isWork} */
export function noteChild(pid: number, command: string, isWork = false): NotedChild {
  started += 1;
  const since = performance.now();
  const child: RunningChild = { pid, command, since, owner: owners.getStore(), isWork };
  running.set(pid, child);
  return {
    ended: () => {
      running.delete(pid);
      watcher({ child: pid, command, ms: Math.round(performance.now() - since) });
    },
    progressed: (progress) => {
      child.progress = progress;
    },
  };
}

/**
 * For an error text: `e2fsck -p (pid 7, 1200 ms, state D in blkdev_fsync, 34 % of pass 1)`. Asks /proc only, which does
 * not wait for the child.
 */
export function describeChild({ pid, command, since, progress }: RunningChild): string {
  const age = Math.round(performance.now() - since);
  // The name in parentheses may hold anything, a parenthesis too (proc(5)).
  const state = ask(pid, 'stat')
    .replace(/^.*\) /s, '')
    .charAt(0);
  const place = state === 'D' ? ask(pid, 'wchan') : '';
  const inside = place === '' || place === '0' ? '' : ` in ${place}`;
  const far = progress === undefined ? '' : `, ${progress}`;
  return `${command} (pid ${pid}, ${age} ms${state === '' ? '' : `, state ${state}${inside}`}${far})`;
}

/** '' where it has ended, or where we may not know. */
function ask(pid: number, file: 'stat' | 'wchan'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
