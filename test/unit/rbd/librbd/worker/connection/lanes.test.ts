/** A cluster whose calls hang takes threads from the others, but never the last ones. */
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../../src/model/deadline.js';
import { Lanes } from '../../../../../../src/rbd/librbd/worker/connection/lanes.js';

const later = (): Deadline => Deadline.after(60_000);

/** Calls that hang until told otherwise, and which of them have begun. */
function hanging(lanes: Lanes, lane: string, count: number, deadline = later()) {
  const begun: (() => void)[] = [];
  const ended = Array.from({ length: count }, () =>
    lanes.run(lane, deadline, lane, () => new Promise<void>((resolve) => begun.push(resolve))),
  );
  return { begun, ended, release: () => begun.splice(0).forEach((end) => end()) };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Lanes', () => {
  it('keeps threads for other clusters while one hangs', async () => {
    const lanes = new Lanes(16);
    const sick = hanging(lanes, 'sick', 40);
    await turn();
    expect(sick.begun).toHaveLength(12);
    expect(await lanes.run('well', later(), 'look', () => Promise.resolve('answer'))).toBe('answer');
    while (sick.begun.length > 0) {
      sick.release();
      await turn();
    }
    await Promise.all(sick.ended);
  });

  it('gives a second sick cluster its guarantee and still serves a third', async () => {
    const lanes = new Lanes(16);
    const one = hanging(lanes, 'one', 20);
    const two = hanging(lanes, 'two', 20);
    await turn();
    expect([one.begun.length, two.begun.length]).toEqual([12, 2]);
    expect(await lanes.run('three', later(), 'look', () => Promise.resolve(3))).toBe(3);
    while (one.begun.length + two.begun.length > 0) {
      one.release();
      two.release();
      await turn();
    }
    await Promise.all([...one.ended, ...two.ended]);
  });

  it('begins waiting calls in order as threads come free', async () => {
    const lanes = new Lanes(1);
    const order: number[] = [];
    await Promise.all([1, 2, 3].map((n) => lanes.run('a', later(), 'x', () => Promise.resolve(void order.push(n)))));
    expect(order).toEqual([1, 2, 3]);
  });

  it('gives what comes free to the cluster with the fewest threads, however long the line of another is', async () => {
    const lanes = new Lanes(16);
    const long = hanging(lanes, 'long', 200);
    const short = hanging(lanes, 'short', 8);
    await turn();
    expect([long.begun.length, short.begun.length]).toEqual([12, 2]);
    long.release();
    await turn();
    expect([long.begun.length, short.begun.length]).toEqual([6, 6]);
    while (long.begun.length + short.begun.length > 0) {
      for (const one of [long, short]) one.release();
      await turn();
    }
    await Promise.all([...long.ended, ...short.ended]);
  });

  it('never begins a call whose deadline passed while it waited', async () => {
    const lanes = new Lanes(1);
    const first = hanging(lanes, 'a', 1);
    const late = hanging(lanes, 'a', 1, Deadline.after(20));
    await expect(late.ended[0]).rejects.toMatchObject({ wire: { code: 'BERTH_DEADLINE' } });
    await turn();
    first.release();
    await Promise.all(first.ended);
    expect(late.begun).toHaveLength(0);
    expect(await lanes.run('a', later(), 'x', () => Promise.resolve(1))).toBe(1);
  });

  it('gives the thread back when a call fails', async () => {
    const lanes = new Lanes(1);
    await expect(lanes.run('a', later(), 'x', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await lanes.run('a', later(), 'x', () => Promise.resolve(1))).toBe(1);
  });
});
