/** The end of a process that has done all that it wanted to do. */

/** What may still end by itself gets this long, ms. */
const LEFT_MS = 2_000;

/**
 * End this process, by force where something keeps it. A file operation on a device whose cluster is away cannot be
 * taken back: it keeps the event loop for as long, and exit(3) waits for its thread as well.
 */
export function endWhatIsLeft(ms = LEFT_MS): void {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), ms).unref();
}
