/** What the node does of itself does not stand in the way of who asks. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import { held } from '../controller/held.js';

const attach = { op: 'attach', fingerprint: 'node-a' };
const soon = (): Deadline => Deadline.after(10_000);
afterEach(() => {
  vi.useRealTimers();
});

describe('an operation in the background', () => {
  const reconcile = { op: 'reconcile', fingerprint: '1', background: true } as const;

  it('is waited for by a caller, however it ends', async () => {
    const operations = new Operations();
    for (const end of ['end', 'breakOff'] as const) {
      const first = held<unknown>();
      const own = operations.run('v', reconcile, soon(), first.body).catch(() => undefined);
      const call = operations.run('v', attach, soon(), () => Promise.resolve('attached'));
      const same = operations.run('v', attach, soon(), () => Promise.resolve('attached twice'));
      first[end](new Error('the monitor is away'));
      expect(await Promise.all([call, same])).toEqual(['attached', 'attached']);
      await own;
    }
  });

  it('is waited for also where the next of its kind follows at once, and no longer than for one', async () => {
    const operations = new Operations();
    const [first, second] = [held<undefined>(), held<undefined>()];
    const own = operations.run('v', reconcile, soon(), first.body);
    // What went on waiting before the caller is there before the caller, too.
    const again = own.then(() => operations.run('v', { ...reconcile, fingerprint: '2' }, soon(), second.body));
    const call = operations.run('v', attach, soon(), () => Promise.resolve('attached'));
    first.end(undefined);
    await own;
    await new Promise(setImmediate);
    expect(operations.isRunning('v')).toBe(true);
    second.end(undefined);
    await again;
    expect(await call).toBe('attached');
  });

  it('is not waited for longer than a while, or than the caller has, and then named', async () => {
    vi.useFakeTimers();
    const operations = new Operations();
    const first = held<undefined>();
    const own = operations.run('v', reconcile, Deadline.after(100_000), first.body);
    const calls = [200, 100_000].map((ms) => operations.run('v', attach, Deadline.after(ms), first.body));
    const refused = Promise.allSettled(calls);
    await vi.advanceTimersByTimeAsync(5_100);
    const busy = { reason: { code: 'BERTH_BUSY', message: expect.stringContaining('reconcile is running') as string } };
    expect(await refused).toMatchObject([busy, busy]);
    first.end(undefined);
    await own;
  });

  it('does not wait itself: BUSY at once where something runs', async () => {
    const operations = new Operations();
    const first = held<undefined>();
    const own = operations.run('v', reconcile, soon(), first.body);
    const other = { ...reconcile, fingerprint: '2' };
    await expect(operations.run('v', other, soon(), first.body)).rejects.toMatchObject({ code: 'BERTH_BUSY' });
    first.end(undefined);
    await own;
  });
});
