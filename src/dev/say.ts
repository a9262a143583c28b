/**
 * What a development tool tells the person at the terminal: standard error, so that standard output stays for programs.
 */

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** An error as one reads it: the catalogue's message, or all there is of an unexpected one. */
export function terminalText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError) return error.errors.map(terminalText).join('\n');
  return error.name === 'BerthError' || error.name === 'AbortError' ? error.message : (error.stack ?? error.message);
}
