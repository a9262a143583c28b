/** Equal requests at the same time: carried out once, each within its caller's own time. */
import { expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { Twins } from '../../../../src/volume/operation/twins.js';

const soon = (): Deadline => Deadline.after(10_000);

/** Twins with a job that ends when it is told to; `ends` has one for each time that it began. */
function prepare() {
  const twins = new Twins<number>();
  const ends: { resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  const job = () => new Promise<number>((resolve, reject) => void ends.push({ resolve, reject }));
  const run = (key = 'a', deadline = soon()) => twins.run(key, 'mount', deadline, job);
  return { ends, run };
}

it('carries a request out once for all who ask meanwhile, and anew for who asks later', async () => {
  const { ends, run } = prepare();
  const both = [run(), run()];
  expect(ends).toHaveLength(1);
  ends[0]!.resolve(7);
  expect(await Promise.all(both)).toEqual([7, 7]);
  const later = run();
  ends[1]!.resolve(8);
  expect(await later).toBe(8);
});

it('keeps different requests apart', () => {
  const { ends, run } = prepare();
  void run('a');
  void run('b');
  expect(ends).toHaveLength(2);
});

it('shares a failure, and begins anew after it', async () => {
  const { ends, run } = prepare();
  const both = [run(), run()];
  ends[0]!.reject(new Error('no'));
  expect(await Promise.allSettled(both)).toMatchObject([{ reason: { message: 'no' } }, { reason: { message: 'no' } }]);
  const again = run();
  ends[1]!.resolve(1);
  expect(await again).toBe(1);
});

it('lets a caller wait no longer than it can, and try by itself where the first one could not', async () => {
  const { ends, run } = prepare();
  const [hurried, patient] = [run(), run()];
  await expect(run('a', Deadline.after(20))).rejects.toThrow(/BERTH_DEADLINE: mount, which began before/);
  ends[0]!.reject(berthError('BERTH_DEADLINE', { what: 'stage', ms: 1 }));
  await expect(hurried).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  await expect.poll(() => ends).toHaveLength(2);
  ends[1]!.resolve(2);
  expect(await patient).toBe(2);
});
