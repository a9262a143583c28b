/** Rounds come one after the other, and end when they are told to. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Rounds } from '../../../src/model/rounds.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('begins at once, and again a pause after the end of the one before', async () => {
  const begun: number[] = [];
  const round = async (): Promise<void> => {
    begun.push(Date.now());
    await new Promise((resolve) => setTimeout(resolve, 300));
  };
  const from = Date.now();
  const rounds = new Rounds(round, { everyMs: 1_000, stopMs: 50 });
  rounds.start();
  await vi.advanceTimersByTimeAsync(3_000);
  await rounds.stop();
  expect(begun.map((at) => at - from)).toEqual([0, 1_300, 2_600]);
});

it('asks at the end of each round how long to wait, where the pause depends on it', async () => {
  const begun: number[] = [];
  const from = Date.now();
  const everyMs = () => (begun.length < 2 ? 100 : 1_000);
  const rounds = new Rounds(() => Promise.resolve(void begun.push(Date.now())), { everyMs, stopMs: 50 });
  rounds.start();
  await vi.advanceTimersByTimeAsync(1_500);
  await rounds.stop();
  expect(begun.map((at) => at - from)).toEqual([0, 100, 1_100]);
});

it('spreads its pauses by chance and no further', async () => {
  const begun: number[] = [];
  const rounds = new Rounds(() => Promise.resolve(void begun.push(Date.now())), {
    everyMs: 1_000,
    jitter: 0.1,
    stopMs: 50,
  });
  rounds.start();
  await vi.advanceTimersByTimeAsync(50_000);
  await rounds.stop();
  const pauses = begun.slice(1).map((at, index) => at - begun[index]!);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(899);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(1_101);
  expect(new Set(pauses).size).toBeGreaterThan(1);
});

it('waits at its stop for the round that runs, no longer than it may, and begins none after it', async () => {
  let count = 0;
  let stopped: boolean | undefined;
  const rounds: Rounds = new Rounds(
    async () => {
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      stopped = rounds.stopped;
    },
    { everyMs: 100, stopMs: 500 },
  );
  rounds.start();
  const stop = rounds.stop();
  await vi.advanceTimersByTimeAsync(499);
  expect(await Promise.race([stop.then(() => 'over'), Promise.resolve('waiting')])).toBe('waiting');
  await vi.advanceTimersByTimeAsync(1);
  await stop;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(count).toBe(1);
  expect(stopped).toBe(true);
});
