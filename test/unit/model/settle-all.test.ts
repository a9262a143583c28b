/** Work side by side: the results in order, and no failure before the last has ended. */
import { expect, it } from 'vitest';
import { settleAll } from '../../../src/model/settle-all.js';
import { setTimeout as sleep } from 'node:timers/promises';

it('answers all results, in the order in which the work was given', async () => {
  expect(await settleAll(sleep(5, 'a'), Promise.resolve(2))).toEqual(['a', 2]);
});

it('fails with the first failure, but not before the others have ended', async () => {
  let ended = false;
  const slow = sleep(20).then(() => {
    ended = true;
  });
  await expect(settleAll(Promise.reject(new Error('one')), slow)).rejects.toThrow('one');
  expect(ended).toBe(true);
});
