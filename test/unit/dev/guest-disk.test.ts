/** How QEMU is told to serve a disk of a guest. */
import { expect, it } from 'vitest';
import { blockNodeOf, frontOf } from '../../../src/dev/guest/guest-disk.js';

it('no tuning: QEMU is told nothing', () => {
  expect(blockNodeOf({})).toEqual({ file: {}, raw: {} });
  expect(frontOf({})).toEqual({});
});

it("Kata's settings: aio for the device alone, the cache for its format too, the thread for the front", () => {
  const tuning = {
    aio: 'native',
    direct: true,
    iothread: 'io0',
    queues: 2,
    sectorBytes: 4_096,
    discard: true,
  } as const;
  const raw = { cache: { direct: true }, discard: 'unmap' };
  expect(blockNodeOf(tuning)).toEqual({ file: { ...raw, aio: 'native' }, raw });
  expect(frontOf(tuning)).toEqual({
    ...{ iothread: 'io0', 'num-queues': 2 },
    ...{ logical_block_size: 4_096, physical_block_size: 4_096 },
  });
});
