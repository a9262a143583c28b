import { beforeEach, describe, expect, it } from 'vitest';
import { PoolCheck } from '../../../../../src/rbd/librbd/worker/pool-check.js';

let looks: boolean | undefined;
let check: PoolCheck;
beforeEach(() => {
  looks = undefined;
  check = new PoolCheck((on) => {
    looks = on;
  });
});

/** What the option was when the create began. */
async function create(pool: bigint | undefined, result = 0): Promise<boolean | undefined> {
  let seen: boolean | undefined;
  await check.duringCreate(pool, () => {
    seen = looks;
    return Promise.resolve(result);
  });
  return seen;
}

describe('the look at a pool', () => {
  it('is made for its first image only', async () => {
    expect([await create(1n), await create(1n), await create(2n), await create(2n)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it('is made again after a create that failed', async () => {
    expect([await create(1n, -95), await create(1n), await create(1n)]).toEqual([true, true, false]);
    await expect(check.duringCreate(2n, () => Promise.reject(new Error('worker')))).rejects.toThrow('worker');
    expect(await create(2n)).toBe(true);
  });

  it('is made every time in a pool without an id', async () => {
    expect([await create(undefined), await create(undefined)]).toEqual([true, true]);
  });

  it('stays on until the last create in an unknown pool has ended', async () => {
    await create(1n);
    let end: (result: number) => void = () => undefined;
    const slow = check.duringCreate(2n, () => new Promise((resolve) => (end = resolve)));
    expect(await create(3n)).toBe(true);
    expect(await create(1n)).toBe(true);
    end(0);
    await slow;
    expect(await create(1n)).toBe(false);
  });
});
