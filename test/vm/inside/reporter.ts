/**
 * node:test's events as lines of JSON with whole names, written while the tests run: a guest that dies has told how far
 * it came.
 */
import { appendFileSync } from 'node:fs';
import type { TestEvent } from 'node:test/reporters';
import { RESULTS_VARIABLE, type Event } from '../wire.js';

function reason(error: unknown): string {
  // The error of a test is wrapped in one of the runner, which says nothing more.
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  return inner.stack ?? inner.message;
}

/** A suite that failed only because a test in it did. */
const isEcho = (error: unknown): boolean =>
  error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed';

/** Writes by itself and at once: nothing of it waits in a stream when the guest dies. */
export default async function report(source: AsyncIterable<TestEvent>): Promise<void> {
  const file = process.env[RESULTS_VARIABLE] ?? '/dev/stdout';
  const path: string[] = [];
  const name = (own: string, nesting: number): string => {
    path.length = nesting;
    path[nesting] = own;
    return path.join(' > ');
  };
  const tell = (event: Event): void => appendFileSync(file, `${JSON.stringify(event)}\n`);
  for await (const { type, data } of source) {
    // The runner's own summary is not nested.
    if (type === 'test:diagnostic' && data.nesting > 0) tell({ kind: 'note', text: data.message });
    else if (type === 'test:start') tell({ kind: 'start', name: name(data.name, data.nesting) });
    else if (type === 'test:pass' && data.details.type !== 'suite') {
      tell({ kind: 'pass', name: name(data.name, data.nesting), ms: data.details.duration_ms });
    } else if (type === 'test:fail' && !isEcho(data.details.error)) {
      const why = reason(data.details.error);
      tell({ kind: 'fail', name: name(data.name, data.nesting), ms: data.details.duration_ms, why });
    }
  }
}
