/** Readiness: answered from memory at once, true only while every check is, and not fooled by one that hangs. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../src/observe/log.js';
import { Readiness, type Check } from '../../../src/diagnosis/readiness.js';

// Made with real timers: the log has one of its own.
const log = createLog('silent');
const fine: Check = () => Promise.resolve(undefined);
const hangs: Check = () => new Promise(() => undefined);

describe('readiness', () => {
  let running: Readiness | undefined;
  const start = (checks: Readonly<Record<string, Check>>): Readiness => {
    running = new Readiness(checks, log);
    running.start();
    return running;
  };
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    running?.stop();
    vi.useRealTimers();
  });

  it('is not given before the first round has ended', async () => {
    const readiness = new Readiness({ a: fine }, log);
    expect(readiness.current()).toEqual({ ready: false, why: 'starting' });
    readiness.start();
    expect(readiness.current().ready).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(readiness.current()).toEqual({ ready: true, why: undefined });
    readiness.stop();
  });

  it('names every check that fails and how', async () => {
    const checks = {
      good: fine,
      says: () => Promise.resolve('no mapper'),
      rejects: () => Promise.reject(new Error('no cluster')),
      throws: () => {
        throw new Error('a bug');
      },
    };
    const readiness = start(checks);
    await vi.advanceTimersByTimeAsync(1);
    expect(readiness.current()).toEqual({ ready: false, why: 'says: no mapper; rejects: no cluster; throws: a bug' });
  });

  it('comes soon after the cause has gone, and goes when it is back', async () => {
    let why: string | undefined = 'down';
    const readiness = start({ cluster: () => Promise.resolve(why) });
    await vi.advanceTimersByTimeAsync(1);
    why = undefined;
    await vi.advanceTimersByTimeAsync(500);
    expect(readiness.current().ready).toBe(true);
    why = 'down again';
    await vi.advanceTimersByTimeAsync(10_000);
    expect(readiness.current()).toEqual({ ready: false, why: 'cluster: down again' });
  });

  it('is lost to a check that hangs, which holds up neither the answer nor the other checks', async () => {
    const check = vi.fn(hangs);
    let other: string | undefined = undefined;
    const readiness = start({ hangs: check, other: () => Promise.resolve(other) });
    expect(readiness.current().ready).toBe(false);
    await vi.advanceTimersByTimeAsync(5_001);
    expect(readiness.current()).toEqual({ ready: false, why: 'hangs: no answer in 5000 ms' });
    other = 'also down';
    await vi.advanceTimersByTimeAsync(6_000);
    expect(readiness.current().why).toBe('hangs: no answer in 5000 ms; other: also down');
    // Not asked again and again: each would leave a hanging call behind.
    expect(check).toHaveBeenCalledTimes(1);
  });

  it('returns when a check that hung answers at last', async () => {
    let answer: (why: string | undefined) => void = () => undefined;
    const readiness = start({ slow: () => new Promise((resolve) => (answer = resolve)) });
    await vi.advanceTimersByTimeAsync(5_001);
    expect(readiness.current().ready).toBe(false);
    answer(undefined);
    await vi.advanceTimersByTimeAsync(600);
    answer(undefined);
    await vi.advanceTimersByTimeAsync(1);
    expect(readiness.current().ready).toBe(true);
  });

  it('is no longer asked for after the stop', async () => {
    const check = vi.fn(fine);
    const readiness = start({ check });
    await vi.advanceTimersByTimeAsync(1);
    readiness.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(check).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives each check a deadline', async () => {
    const check = vi.fn<Check>(fine);
    start({ check });
    await vi.advanceTimersByTimeAsync(1);
    expect(check.mock.calls[0]![0].remaining()).toBeLessThanOrEqual(5_000);
  });
});
