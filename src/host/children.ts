/** The child processes this process has run: how many for the bench, which are running for whoever asks what is stuck. */

export interface RunningChild {
  readonly pid: number;
  /** Program and first argument, as error texts name it. */
  readonly command: string;
  /** `performance.now()` at its start. */
  readonly since: number;
}

const running = new Map<number, RunningChild>();
let started = 0;

/** Children started since this process began. */
export const childrenStarted = (): number => started;

/** Children alive now; one that outlived its deadline (D state) stays here until the kernel lets it go. */
export const runningChildren = (): readonly RunningChild[] => [...running.values()];

/** Note a started child; the returned function notes its end. */
export function noteChild(pid: number, command: string): () => void {
  started += 1;
  running.set(pid, { pid, command, since: performance.now() });
  return () => void running.delete(pid);
}
