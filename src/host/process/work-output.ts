/** What a child says while it works for long: its output without end, and its progress line by line. */
import type { Readable } from 'node:stream';

/** Of each stream, from its beginning and from its end. A repair may say a line of each of a million files. */
const KEPT_CHARACTERS = 64 * 1024;

/** Reads a stream to its end; of what lies between, nothing is kept. */
export function readBounded(stream: Readable, kept = KEPT_CHARACTERS): () => string {
  let head = '';
  let tail = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const room = kept - head.length;
    head += text.slice(0, room);
    if (text.length > room) tail = (tail + text.slice(room)).slice(-kept);
  });
  return () => (head + tail).replace(/\n$/, '');
}

/** Calls `tell` for what `read` makes of each line that is whole; a last one without its newline is no line. */
export function readProgress(
  stream: Readable,
  read: (line: string) => string | undefined,
  tell: (progress: string) => void,
): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    // A program that never ends its line is not worth its memory.
    rest = (lines.pop() ?? '').slice(-KEPT_CHARACTERS);
    for (const line of lines) {
      const said = read(line);
      if (said !== undefined) tell(said);
    }
  });
}
