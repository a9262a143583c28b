/** Many nodes of one volume at once: nobody is lost, and within a process nobody races the other. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HolderRecords } from '../../../src/attachment/holder-records.js';
import { HOLDER_KEY, parseHolderRecord } from '../../../src/attachment/holder-record.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { ImageHead } from '../../../src/rbd/port.js';
import { MemoryRbd, type MemoryImage } from '../../fakes/rbd-memory.js';
import { ask, at, spec } from './one-image.js';

const deadline = Deadline.after(10_000);

let rbd: MemoryRbd;
let holders: HolderRecords;
let image: MemoryImage;

beforeEach(async () => {
  rbd = new MemoryRbd('p');
  await rbd.createImage(at, spec, deadline);
  image = rbd.image(at)!;
  holders = new HolderRecords(rbd, () => new Date('2026-01-01T00:00:00Z'));
});

const head = async (): Promise<ImageHead> => (await rbd.head(at, deadline))!;
const nodes = (): readonly string[] =>
  parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v')?.holders.map((one) => one.node) ?? [];
const way = { mode: 'MULTI_NODE_READER_ONLY', readOnly: true } as const;

describe('an attach', () => {
  it('of two hundred readers at once costs one write each, although all have read the same', async () => {
    const seen = await head();
    rbd.calls.length = 0;
    const names = Array.from({ length: 200 }, (_, n) => `node-${n}`);
    await Promise.all(names.map((node) => holders.attach(at, seen, ask(node, way), deadline)));
    expect(nodes()).toEqual(names);
    expect(rbd.calls).toHaveLength(200);
  });

  it('of a hundred readers at each of two controllers, while the nodes write their states, loses nobody', async () => {
    const other = new HolderRecords(rbd);
    const names = Array.from({ length: 200 }, (_, n) => `node-${n}`);
    const one = async (node: string, n: number): Promise<void> => {
      await (n % 2 === 0 ? holders : other).attach(at, await head(), ask(node, way), deadline);
      const own = new HolderRecords(rbd);
      await own.takeForNode(at, await head(), { ...ask(node, way), bootId: 'boot-1', right: { by: 'node' } }, deadline);
    };
    await Promise.all(names.map(one));
    expect([...nodes()].sort()).toEqual(names.sort());
  });

  it('whose turn does not come in time ends with DEADLINE, and the next one goes on', async () => {
    const seen = await head();
    const real = rbd.compareAndSet.bind(rbd);
    let letGo: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    vi.spyOn(rbd, 'compareAndSet').mockImplementationOnce((...given) => gate.then(() => real(...given)));
    const first = holders.attach(at, seen, ask('a', way), deadline);
    await expect(holders.attach(at, seen, ask('b', way), Deadline.after(20))).rejects.toThrow(/BERTH_DEADLINE/);
    const third = holders.attach(at, seen, ask('c', way), deadline);
    letGo();
    await Promise.all([first, third]);
    expect(nodes()).toEqual(['a', 'c']);
  });

  it('behind one that is refused goes on from what was there before', async () => {
    const seen = await head();
    const asked = [ask('a', way), ask('b'), ask('c', way)].map((one) => holders.attach(at, seen, one, deadline));
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(nodes()).toEqual(['a', 'c']);
  });
});
