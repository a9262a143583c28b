/** Deadlines: they only ever come nearer, and a caller without one gets a sensible one. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, DEFAULT_BUDGET_MS } from '../../../src/model/deadline.js';

describe('a deadline', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('runs out once and never goes below zero', () => {
    const deadline = Deadline.after(100);
    expect(deadline.remaining()).toBe(100);
    expect(deadline.expired).toBe(false);
    vi.advanceTimersByTime(99);
    expect(deadline.expired).toBe(false);
    vi.advanceTimersByTime(5);
    expect(deadline.expired).toBe(true);
    expect(deadline.remaining()).toBe(0);
  });

  it.each([undefined, Infinity, -Infinity, NaN, new Date(NaN)])(
    'is the default one where the caller says %s',
    (date) => {
      expect(Deadline.atDate(date).remaining()).toBe(DEFAULT_BUDGET_MS);
    },
  );

  it('is the wall-clock date of the caller, as a Date or in ms', () => {
    expect(Deadline.atDate(new Date(Date.now() + 1234)).remaining()).toBe(1234);
    expect(Deadline.atDate(Date.now() + 1234).remaining()).toBe(1234);
    expect(Deadline.atDate(Date.now() - 1).expired).toBe(true);
  });

  it('never is later than a timer can wait: such a timer would fire at once', () => {
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const fired = vi.fn();
    setTimeout(fired, Deadline.atDate(Date.now() + 1000 * 365 * 86_400_000).remaining());
    vi.advanceTimersByTime(1000);
    expect(fired).not.toHaveBeenCalled();
    expect(warned).not.toHaveBeenCalled();
    expect(Deadline.after(Infinity).remaining()).toBe(2 ** 31 - 1);
  });

  it('only comes nearer by a step of its own or a margin', () => {
    const ms = fc.integer({ min: 0, max: 10 ** 6 });
    fc.assert(
      fc.property(ms, ms, (all, step) => {
        const deadline = Deadline.after(all);
        expect(deadline.within(step).remaining()).toBe(Math.min(all, step));
        expect(deadline.less(step).remaining()).toBe(Math.max(0, all - step));
      }),
    );
  });

  it('stands still during work, with all that were made from it, and goes on with the time left', async () => {
    const deadline = Deadline.after(100);
    const step = deadline.within(50);
    vi.advanceTimersByTime(10);
    let end: () => void = () => undefined;
    const work = deadline.standStill(() => new Promise<void>((resolve) => (end = resolve)));
    const beside = step.standStill(() => Promise.resolve('done'));
    vi.advanceTimersByTime(100_000);
    expect(await beside).toBe('done');
    expect([deadline.remaining(), step.remaining(), deadline.within(20).remaining()]).toEqual([90, 40, 20]);
    expect(Deadline.after(7).remaining()).toBe(7);
    end();
    await work;
    vi.advanceTimersByTime(40);
    expect([deadline.remaining(), step.expired]).toEqual([50, true]);
  });

  it('goes on after work that failed', async () => {
    const deadline = Deadline.after(100);
    await expect(deadline.standStill(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    vi.advanceTimersByTime(60);
    expect(deadline.remaining()).toBe(40);
  });
});
