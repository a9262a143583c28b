/** The program's log: pino, one JSON object a line on standard output, nothing secret in it. */
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Keys that never reach the log whatever object carries them; request secrets are removed by csi/redact before. */
const NEVER = ['key', 'userKey', 'secrets', '*.key', '*.userKey', '*.secrets', 'mountFlags', '*.mountFlags'];

/** @param level pino's level name; `silent` for tests */
export function createLog(level = 'info'): Logger {
  return pino({
    level,
    base: { pid: process.pid },
    redact: { paths: NEVER, censor: '***' },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
}
