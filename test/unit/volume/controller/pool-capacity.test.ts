/** Pool figures: asked once for a burst, forgotten when they fail, and refused only what can never fit. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { berthError } from '../../../../src/model/errors.js';
import { PoolCapacity } from '../../../../src/volume/controller/pool-capacity.js';
import { MemoryRbd } from '../../../fakes/rbd-memory.js';
import { place, soon } from './memory-cluster.js';

describe('pool figures', () => {
  let rbd: MemoryRbd;
  let capacity: PoolCapacity;
  beforeEach(() => {
    vi.useFakeTimers();
    rbd = new MemoryRbd('rbd', 'fast');
    rbd.stats = { availableBytes: 100n, storedBytes: 20n };
    capacity = new PoolCapacity(rbd);
  });
  afterEach(() => vi.useRealTimers());

  it('are asked once for a burst, and again after a while', async () => {
    await Promise.all(Array.from({ length: 50 }, () => capacity.check(place(), 1n, soon())));
    await capacity.check(place(), 1n, soon());
    expect(rbd.calls).toHaveLength(1);
    vi.advanceTimersByTime(10_001);
    await capacity.check(place(), 1n, soon());
    expect(rbd.calls).toHaveLength(2);
  });

  it('of one pool are not another one´s', async () => {
    await capacity.stats(place('rbd'), soon());
    rbd.stats = { availableBytes: 1n, storedBytes: 0n };
    expect(await capacity.stats(place('fast'), soon())).toEqual(rbd.stats);
    expect(await capacity.stats(place('rbd'), soon())).toEqual({ availableBytes: 100n, storedBytes: 20n });
  });

  it('that failed are asked again at once', async () => {
    rbd.failNext('poolStats', () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'x' }));
    await expect(capacity.stats(place(), soon())).rejects.toMatchObject({ code: 'BERTH_CLUSTER_UNREACHABLE' });
    expect(await capacity.stats(place(), soon())).toMatchObject({ availableBytes: 100n });
  });

  it('refuse what is more than the pool holds and could still take, and no less: volumes are thin', async () => {
    await capacity.check(place(), 120n, soon());
    await expect(capacity.check(place(), 121n, soon())).rejects.toMatchObject({ code: 'BERTH_SIZE_OUT_OF_RANGE' });
  });

  it('that the manager does not have yet refuse nothing', async () => {
    rbd.stats = { availableBytes: undefined, storedBytes: 0n };
    await capacity.check(place(), 1n << 60n, soon());
  });
});
