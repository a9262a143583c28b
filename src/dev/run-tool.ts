/** How a development tool starts and ends: a wrong argument is told with the usage, an error as one reads it. */
import { terminalText, say } from './say.js';

/** A wrong call of a tool; its message says what was wrong. */
export class WrongCall extends Error {
  override readonly name = 'WrongCall';
}

/** Errors of node's own parseArgs: an option that is not known, one without its value, a word too many. */
const isWrongCall = (error: unknown): error is Error =>
  error instanceof WrongCall ||
  (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));

/** Run `main` and set the exit code: its own, 2 for a wrong call, 1 for an error. */
export async function runTool(usage: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    say(isWrongCall(error) ? `${error.message}\n\n${usage}` : terminalText(error));
    process.exitCode = isWrongCall(error) ? 2 : 1;
  }
}
