/** Waits that end whatever the thing waited for does. */
import { describe, expect, it } from 'vitest';
import { bounded, waitFor } from '../../../src/host/bounded.js';
import { Deadline } from '../../../src/model/deadline.js';

describe('bounded', () => {
  it("gives the promise's result", async () => {
    await expect(bounded(Promise.resolve(7), 'seven', Deadline.after(1_000))).resolves.toBe(7);
  });

  it("gives the promise's error", async () => {
    await expect(bounded(Promise.reject(new Error('no')), 'it', Deadline.after(1_000))).rejects.toThrow('no');
  });

  it('names what did not come in time', async () => {
    const never = new Promise<void>(() => undefined);
    await expect(bounded(never, 'statfs of /dead', Deadline.after(30))).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
      message: expect.stringContaining('statfs of /dead') as string,
    });
  });

  it('is not disturbed by a promise that fails after the deadline', async () => {
    const late = new Promise<void>((_, reject) => setTimeout(() => reject(new Error('late')), 60));
    await expect(bounded(late, 'it', Deadline.after(10))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    // An unhandled rejection would fail the run.
    await expect(late).rejects.toThrow('late');
  });
});

describe('waitFor', () => {
  it('asks again until there is an answer', async () => {
    let asked = 0;
    const answer = await waitFor(
      () => Promise.resolve(++asked === 4 ? 'here' : undefined),
      'it',
      Deadline.after(5_000),
    );
    expect([answer, asked]).toEqual(['here', 4]);
  });

  it('looks once even when the time is over', async () => {
    await expect(waitFor(() => Promise.resolve(1), 'it', Deadline.after(0))).resolves.toBe(1);
  });

  it('ends at the deadline', async () => {
    const began = performance.now();
    await expect(waitFor(() => Promise.resolve(undefined), 'rbd0', Deadline.after(80))).rejects.toThrow(/rbd0/);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
