import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { KeyedMutex } from '../../../../src/rbd/mapping/keyed-mutex.js';

const soon = (ms = 60_000): Deadline => Deadline.after(ms);

it('runs jobs of one key one after the other, in the order of asking, also after a failure', async () => {
  const mutex = new KeyedMutex();
  const order: string[] = [];
  const job = (name: string, ms: number) => async () => {
    order.push(`${name} begins`);
    await sleep(ms);
    order.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
  };
  const all = [
    mutex.run('k', soon(), job('a', 20)),
    mutex.run('k', soon(), job('b', 10)),
    mutex.run('k', soon(), job('c', 0)),
  ];
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  await sleep(0);
  expect(mutex.size).toBe(0);
});

it('runs jobs of other keys at once', async () => {
  const mutex = new KeyedMutex();
  const slow = mutex.run('a', soon(), () => sleep(200, 'a'));
  expect(await Promise.race([slow, mutex.run('b', soon(), () => Promise.resolve('b'))])).toBe('b');
  await slow;
});

it('never begins a job whose time was over while it waited, and still keeps the order behind it', async () => {
  const mutex = new KeyedMutex();
  let running = false;
  const first = mutex.run('k', soon(), async () => {
    running = true;
    await sleep(100);
    running = false;
  });
  let begun = false;
  const late = mutex.run('k', soon(20), () => Promise.resolve((begun = true)));
  const third = mutex.run('k', soon(), () => Promise.resolve(running));
  await expect(late).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  expect(await third).toBe(false);
  await first;
  expect(begun).toBe(false);
});
