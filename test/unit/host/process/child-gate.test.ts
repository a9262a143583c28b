/** How many children run at a time: by count, with jobs that end when the test says so. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { ChildGate } from '../../../../src/host/process/child-gate.js';
import { runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';

const soon = () => Deadline.after(60_000);

/** Jobs in a gate: which have begun, and their ends. */
function jobsIn(gate: ChildGate) {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  const job = (name: number, deadline = soon()) =>
    gate.run(
      () =>
        new Promise<number>((resolve) => {
          begun.push(name);
          ends.set(name, () => resolve(name));
        }),
      `job ${name}`,
      deadline,
    );
  return { begun, job, end: (name: number) => ends.get(name)?.() };
}

describe('ChildGate', () => {
  it('five hundred at once: so many begin as it lets in, the others in their order when one has ended', async () => {
    const gate = new ChildGate(8);
    const { begun, job, end } = jobsIn(gate);
    const all = Promise.all(Array.from({ length: 500 }, (_, name) => job(name)));
    await turn();
    expect(begun).toHaveLength(8);
    expect(gate.waiting).toBe(492);
    for (let name = 0; name < 500; name += 1) {
      end(name);
      await turn();
      expect(begun).toHaveLength(Math.min(500, name + 9));
    }
    expect(await all).toEqual(Array.from({ length: 500 }, (_, name) => name));
    expect(begun).toEqual(Array.from({ length: 500 }, (_, name) => name));
    // It is as it was: who comes now does not wait.
    void job(500);
    await turn();
    expect(begun.at(-1)).toBe(500);
  });

  it('all that run hang: one more begins each second, and hands its place on', async () => {
    vi.useFakeTimers();
    try {
      const { begun, job, end } = jobsIn(new ChildGate(2));
      const jobs = Array.from({ length: 6 }, (_, name) => job(name));
      await vi.advanceTimersByTimeAsync(999);
      expect(begun).toEqual([0, 1]);
      await vi.advanceTimersByTimeAsync(1);
      expect(begun).toEqual([0, 1, 2]);
      end(2);
      await vi.advanceTimersByTimeAsync(0);
      expect(begun).toEqual([0, 1, 2, 3]);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
      for (const name of jobs.keys()) end(name);
      expect(await Promise.all(jobs)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('a deadline that passes in the line: DEADLINE, it never begins, and nobody waits for it', async () => {
    const gate = new ChildGate(1);
    const { begun, job, end } = jobsIn(gate);
    const first = job(0);
    const late = job(1, Deadline.after(5));
    const third = job(2);
    await expect(late).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    expect(gate.waiting).toBe(1);
    end(0);
    await first;
    await turn();
    expect(begun).toEqual([0, 2]);
    end(2);
    await third;
  });

  it('a job that fails lets the next one in', async () => {
    const gate = new ChildGate(1);
    const failing = gate.run(() => Promise.reject(new Error('no')), 'it', soon());
    const next = gate.run(() => Promise.resolve('yes'), 'it', soon());
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('yes');
  });
});

it('run, a hundred at once: 32 children are alive at most, and all are run', async () => {
  const all = Array.from({ length: 100 }, () => run('sleep', ['0.02'], { deadline: soon() }));
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, runningChildren().length)), 1);
  const codes = (await Promise.all(all)).map(({ exitCode }) => exitCode);
  clearInterval(watch);
  expect(codes).toEqual(Array.from({ length: 100 }, () => 0));
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(32);
});
