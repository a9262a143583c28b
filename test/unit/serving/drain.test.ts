/** Counting calls in, and letting them out. */
import { describe, expect, it } from 'vitest';
import { Drain } from '../../../src/serving/drain.js';

describe('Drain', () => {
  it('is done at once when nothing runs, and refuses whoever comes later', async () => {
    const drain = new Drain();
    drain.enter()();
    expect(await drain.begin(10_000)).toBe(true);
    expect(() => drain.enter()).toThrow(/^BERTH_SHUTTING_DOWN/);
  });

  it('waits for the last call', async () => {
    const drain = new Drain();
    const [one, two] = [drain.enter(), drain.enter()];
    const done = drain.begin(10_000);
    one();
    one();
    expect(drain.running).toBe(1);
    two();
    expect(await done).toBe(true);
  });

  it('gives up after its time', async () => {
    const drain = new Drain();
    drain.enter();
    expect(await drain.begin(20)).toBe(false);
    expect(drain.running).toBe(1);
  });
});
