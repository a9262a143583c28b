/** What takes long says so while it does: on a terminal, beside the output, and gone when the output comes. */

export interface ErrorStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Before this, in ms, nobody wonders. */
const QUIET_MS = 1_000;
/** Back to the beginning of the line, and the line away. */
const CLEAR_LINE = '\r\u001b[K';

/** The answer of `work`; a pipe hears nothing of the time that it took. */
export async function withProgress<T>(work: () => Promise<T>, stream: ErrorStream, quietMs = QUIET_MS): Promise<T> {
  if (stream.isTTY !== true) return work();
  const began = performance.now();
  let lines = 0;
  const timer = setInterval(() => {
    lines += 1;
    stream.write(`${CLEAR_LINE}looking since ${Math.round((performance.now() - began) / 1000)} s`);
  }, quietMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (lines > 0) stream.write(CLEAR_LINE);
  }
}
