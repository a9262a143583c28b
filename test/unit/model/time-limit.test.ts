/** A limit of time on a promise, on the end of one, and on a state that is polled: each ends whatever it waits for. */
import { describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { pollUntil, settledWithin, withinDeadline } from '../../../src/model/time-limit.js';

const never = new Promise<never>(() => undefined);
const failsAfter = (ms: number): Promise<never> =>
  new Promise((_, reject) => setTimeout(() => reject(new Error('late')), ms));

describe('withinDeadline', () => {
  it("gives the promise's result", async () => {
    await expect(withinDeadline(Promise.resolve(7), 'seven', Deadline.after(60_000))).resolves.toBe(7);
  });

  it("gives the promise's error", async () => {
    await expect(withinDeadline(Promise.reject(new Error('no')), 'it', Deadline.after(60_000))).rejects.toThrow('no');
  });

  it('promise too late: DEADLINE that names what did not come', async () => {
    await expect(withinDeadline(never, 'statfs of /dead', Deadline.after(30))).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
      message: expect.stringContaining('statfs of /dead') as string,
    });
  });

  it('promise too late, an error of its own: makes it once, told how long was waited for', async () => {
    const late = vi.fn((ms: number) => new Error(`not in ${ms} ms`));
    const deadline = Deadline.after(200);
    const most = Math.ceil(deadline.remaining());
    const waiting = withinDeadline(never, late, deadline);
    // Some of it may have gone before it was asked.
    const least = deadline.remaining();
    await expect(waiting).rejects.toThrow(/^not in \d+ ms$/);
    expect(late).toHaveBeenCalledTimes(1);
    const [told] = late.mock.calls[0]!;
    expect(told).toBeGreaterThanOrEqual(least);
    expect(told).toBeLessThanOrEqual(most);
  });

  it('promise in time: makes no error', async () => {
    const late = vi.fn(() => new Error('late'));
    await withinDeadline(Promise.resolve(), late, Deadline.after(5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(late).not.toHaveBeenCalled();
  });

  it('a deadline that is over: still gives a result that is there already', async () => {
    await expect(withinDeadline(Promise.resolve(7), 'seven', Deadline.after(0))).resolves.toBe(7);
  });

  it('is not disturbed by a promise that fails after the deadline', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      await expect(withinDeadline(failsAfter(40), 'it', Deadline.after(10))).rejects.toThrow(/it/);
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  it('promise of work during which the deadline stands still: waits for it', async () => {
    const deadline = Deadline.after(30);
    const work = deadline.standStill(() => new Promise((resolve) => setTimeout(() => resolve('done'), 120)));
    await expect(withinDeadline(work, 'it', deadline)).resolves.toBe('done');
    await expect(withinDeadline(never, 'it', deadline)).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  });
});

describe('settledWithin', () => {
  it('is true for what ends in time, well or badly', async () => {
    await expect(settledWithin(Promise.resolve(), 60_000)).resolves.toBe(true);
    await expect(settledWithin(failsAfter(1), 60_000)).resolves.toBe(true);
  });

  it('is false for what takes longer, whose failure then disturbs nobody', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      await expect(settledWithin(failsAfter(40), 10)).resolves.toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});

describe('the timer', () => {
  it('does not outlive the wait, however that ends', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    await withinDeadline(Promise.resolve(), 'it', Deadline.after(60_000));
    await withinDeadline(Promise.reject(new Error('no')), 'it', Deadline.after(60_000)).catch(() => undefined);
    await settledWithin(Promise.resolve(), 60_000);
    expect(timers()).toBe(before);
  });
});

describe('waitFor', () => {
  it('asks again until there is an answer', async () => {
    let asked = 0;
    const answer = await pollUntil(
      () => Promise.resolve(++asked === 4 ? 'here' : undefined),
      'it',
      Deadline.after(60_000),
    );
    expect([answer, asked]).toEqual(['here', 4]);
  });

  it('looks once even when the time is over', async () => {
    await expect(pollUntil(() => Promise.resolve(1), 'it', Deadline.after(0))).resolves.toBe(1);
  });

  it('ends at the deadline', async () => {
    const began = performance.now();
    await expect(pollUntil(() => Promise.resolve(undefined), 'rbd0', Deadline.after(80))).rejects.toThrow(/rbd0/);
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});
