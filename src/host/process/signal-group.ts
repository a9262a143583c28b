/** Signals for a child and all that it has started, which are one process group (exec.ts). */

/** From SIGTERM to SIGKILL, ms. */
const TERM_GRACE_MS = 400;

/** SIGTERM, and SIGKILL soon after it. */
export function endGroup(pid: number | undefined): void {
  signalGroup(pid, 'SIGTERM');
  // Sent even when the child itself has ended by then: what it started may not have.
  setTimeout(() => signalGroup(pid, 'SIGKILL'), TERM_GRACE_MS);
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: everybody of the group has ended, which is what was wanted.
  }
}
