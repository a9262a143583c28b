/** Many items, a few at a time: in slices between which the event loop has its turn, and ended by a failure. */
import { describe, expect, it } from 'vitest';
import { workThrough } from '../../../src/model/settle-all.js';

const items = Array.from({ length: 1_000 }, (_, index) => index);

describe('workThrough', () => {
  it('does each once, in order of their beginning, never more than its width at a time', async () => {
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    await workThrough(items, 7, async (item) => {
      begun.push(item);
      most = Math.max(most, (running += 1));
      await new Promise(setImmediate);
      running -= 1;
    });
    expect(begun).toEqual(items);
    expect(most).toBe(7);
  });

  it.each([1, 8])('%d at a time, does at most a hundred before the event loop has its turn', async (width) => {
    let slice = 0;
    let longest = 0;
    const work = new AbortController();
    const turns = (async () => {
      while (!work.signal.aborted) {
        await new Promise(setImmediate);
        slice = 0;
      }
    })();
    await workThrough(items, width, () => {
      longest = Math.max(longest, (slice += 1));
      return Promise.resolve();
    });
    work.abort();
    await turns;
    expect(longest).toBeLessThanOrEqual(100);
  });

  it('begins no further one when it is to stop', async () => {
    let done = 0;
    const work = () => Promise.resolve(void (done += 1));
    await workThrough(items, 4, work, () => done >= 10);
    expect(done).toBeLessThan(20);
  });

  it('throws the first failure when those that run have ended, and begins no further one', async () => {
    let ended = 0;
    let begun = 0;
    const work = async (item: number): Promise<void> => {
      begun += 1;
      await new Promise(setImmediate);
      if (item === 5) throw new Error('the sixth');
      ended += 1;
    };
    await expect(workThrough(items, 4, work)).rejects.toThrow('the sixth');
    expect(begun).toBe(ended + 1);
    expect(begun).toBeLessThan(20);
  });
});
