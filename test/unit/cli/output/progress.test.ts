/** What takes long says so on a terminal, and leaves no trace of it; a pipe hears nothing. */
import { expect, it } from 'vitest';
import { withProgress } from '../../../../src/cli/output/progress.js';

/** A stream that tells of each thing written to it. */
function stream(isTTY: boolean) {
  const written: string[] = [];
  let heard = (): void => undefined;
  const first = new Promise<void>((resolve) => (heard = resolve));
  const write = (text: string): void => {
    written.push(text);
    heard();
  };
  return { isTTY, written, write, first };
}

it('on a terminal: seconds while it lasts, and an empty line at its end, also after a failure', async () => {
  const one = stream(true);
  expect(await withProgress(() => one.first.then(() => 'seen'), one, 1)).toBe('seen');
  expect(one.written[0]).toMatch(/looking since \d+ s$/);
  expect(one.written.at(-1)).toBe('\r\u001b[K');
  const other = stream(true);
  const failure = () => other.first.then(() => Promise.reject(new Error('no')));
  await expect(withProgress(failure, other, 1)).rejects.toThrow('no');
  expect(other.written.at(-1)).toBe('\r\u001b[K');
});

it('in a pipe, and where it is quick, says nothing', async () => {
  const pipe = stream(false);
  await withProgress(() => Promise.resolve(1), pipe, 0);
  const quick = stream(true);
  await withProgress(() => Promise.resolve(1), quick, 60_000);
  expect([...pipe.written, ...quick.written]).toEqual([]);
});
