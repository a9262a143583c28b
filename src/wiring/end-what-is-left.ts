/** The end of a process that has done all that it wanted to do, whatever of it does not end by itself. */

/** What may still end by itself gets this long, in ms. */
const LEFT_MS = 2_000;
/** Until the log has left the process, in ms; it leaves in bunches. */
const LOG_MS = 200;

/**
 * End this process, by force where something keeps it. A file operation on a device whose cluster is away cannot be
 * taken back: it keeps the event loop for as long, and exit(3) waits for its thread as well.
 */
export function endWhatIsLeft(ms = LEFT_MS): void {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), ms).unref();
}

/**
 * The same for what a process still has to do in order: it is ended where that takes longer than `ms`, and `tell` hears
 * before of what kept it, by the names that Node has for it (`FSReqPromise` is a file operation).
 */
export function endAtTheLatest(ms: number, tell: (left: readonly string[]) => void): void {
  setTimeout(() => {
    tell([...new Set(process.getActiveResourcesInfo())]);
    endWhatIsLeft(LOG_MS);
  }, ms).unref();
}
