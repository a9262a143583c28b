/** When the demo is to end early: a signal, or nobody reads its output any more (`| head`). */
import type { Writable } from 'node:stream';

/** As the terminal shows it: a sentence, and no stack. */
const early = (why: string): Error => new DOMException(`ended early: ${why}`, 'AbortError');

/**
 * From now on neither ends this process: what runs is finished, or cut, and everything is taken down.
 * @param outputs that nobody may be reading: writing to a closed one is then no error
 */
export function untilAskedToEnd(outputs: readonly Pick<Writable, 'on'>[]): AbortSignal {
  const asked = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => asked.abort(early(signal)));
  for (const output of outputs) output.on('error', () => asked.abort(early('its output was closed')));
  return asked.signal;
}
