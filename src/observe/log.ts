/** The program's log: pino, one JSON object a line on standard output, nothing secret in it. */
import { destination, pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Keys that never reach the log whatever object carries them; request secrets are removed by csi/redact before. */
const NEVER = ['key', 'userKey', 'secrets', '*.key', '*.userKey', '*.secrets', 'mountFlags', '*.mountFlags'];

/** How much may gather before it is written, in bytes, and for how long, in ms: what a SIGKILL can cost of the log. */
const BUNCH_BYTES = 4096;
const FLUSH_MS = 50;

/** @param level pino's level name; `silent` for tests */
export function createLog(level = 'info'): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    redact: { paths: NEVER, censor: '***' },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  // A slow reader of our output (a full disk under the container runtime's log) must not stop the event loop, and a
  // line of its own costs a busy controller more than the rest of a call: they leave in bunches, at the latest after
  // FLUSH_MS, and at the end.
  return pino(options, destination({ dest: 1, sync: false, minLength: BUNCH_BYTES, periodicFlush: FLUSH_MS }));
}
