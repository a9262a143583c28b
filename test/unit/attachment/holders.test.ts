/** The holder record under races: whoever is first wins, and a lost race is never a granted one. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AttachRequest } from '../../../src/attachment/decide.js';
import { Holders } from '../../../src/attachment/holders.js';
import { HOLDER_KEY, parseHolderRecord, type HolderRecord } from '../../../src/attachment/record.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import type { ImageHead, ImageRef } from '../../../src/rbd/port.js';
import { MemoryRbd, type MemoryImage } from '../../fakes/rbd-memory.js';

const access = { cluster: 'c', monitors: ['127.0.0.1'], user: 'u', key: new Secret('k') };
const at: ImageRef = { access, pool: 'p', namespace: '', image: 'i' };
const deadline = Deadline.after(10_000);
const spec = {
  ...{ sizeBytes: 1n << 20n, features: ['layering'], objectSizeBytes: undefined },
  ...{ stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined, metadata: new Map() },
};
const ask = (node: string, more: Partial<AttachRequest> = {}): AttachRequest => ({
  ...{ volume: 'c/p/i', node, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, by: 'controller' },
  ...more,
});

let rbd: MemoryRbd;
let holders: Holders;
let image: MemoryImage;

beforeEach(async () => {
  rbd = new MemoryRbd('p');
  await rbd.createImage(at, spec, deadline);
  image = rbd.image(at)!;
  holders = new Holders(rbd, () => new Date('2026-01-01T00:00:00Z'));
});

const head = async (): Promise<ImageHead> => (await rbd.head(at, deadline))!;
const record = (): HolderRecord | undefined => parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v');
const nodes = (): readonly string[] => record()?.holders.map((one) => one.node) ?? [];

describe('attach', () => {
  it('writes the record with one operation', async () => {
    const seen = await head();
    rbd.calls.length = 0;
    await holders.attach(at, seen, ask('a'), deadline);
    expect(rbd.calls.map((one) => one.operation)).toEqual(['compareAndSet']);
    expect(record()).toEqual({
      ...{ version: 1, image: 'p/i', mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false },
      holders: [{ node: 'a', since: '2026-01-01T00:00:00.000Z', by: 'controller' }],
    });
  });

  it('again by the holder writes nothing', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const seen = await head();
    rbd.calls.length = 0;
    await holders.attach(at, seen, ask('a'), deadline);
    expect(rbd.calls).toEqual([]);
  });

  it('of two nodes at the same time is granted to exactly one, and the loser is told who won', async () => {
    const seen = await head();
    const [a, b] = await Promise.allSettled([
      holders.attach(at, seen, ask('a'), deadline),
      new Holders(rbd).attach(at, seen, ask('b'), deadline),
    ]);
    expect([a.status, b.status].sort()).toEqual(['fulfilled', 'rejected']);
    const loser = a.status === 'rejected' ? a : b;
    expect(loser).toMatchObject({ reason: { code: 'VOLUME_HELD' } });
    expect(nodes()).toEqual([a.status === 'fulfilled' ? 'a' : 'b']);
  });

  it('of many readers at the same time is granted to all of them, none lost', async () => {
    const seen = await head();
    const names = ['a', 'b', 'c', 'd', 'e'];
    const way = { mode: 'MULTI_NODE_READER_ONLY', readOnly: true } as const;
    await Promise.all(names.map((node) => holders.attach(at, seen, ask(node, way), deadline)));
    expect([...nodes()].sort()).toEqual(names);
  });

  it.each([0, 1, 7])('after %d lost races is granted', async (lost) => {
    const race = vi.spyOn(rbd, 'compareAndSet');
    for (let i = 0; i < lost; i += 1) race.mockResolvedValueOnce(false);
    await holders.attach(at, await head(), ask('a'), deadline);
    expect(nodes()).toEqual(['a']);
    expect(race).toHaveBeenCalledTimes(lost + 1);
  });

  it('that loses every race gives up and says so', async () => {
    const race = vi.spyOn(rbd, 'compareAndSet').mockResolvedValue(false);
    const attach = holders.attach(at, await head(), ask('a'), deadline);
    await expect(attach).rejects.toMatchObject({ code: 'RECORD_CONTENDED', status: 'ABORTED' });
    expect(race).toHaveBeenCalledTimes(8);
    expect(nodes()).toEqual([]);
  });

  it('decides anew after a lost race: what was free is held now', async () => {
    const seen = await head();
    await holders.attach(at, seen, ask('first'), deadline);
    await expect(holders.attach(at, seen, ask('second'), deadline)).rejects.toThrow(/attached to node first/);
    expect(nodes()).toEqual(['first']);
  });

  it.each(['{"version":2}', '{"version":1,"holders":[]}', 'free', 'null'])(
    'over the unreadable record %s is refused and leaves it as it is',
    async (text) => {
      image.metadata.set(HOLDER_KEY, text);
      const seen = await head();
      await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({ code: 'RECORD_UNREADABLE' });
      await expect(holders.detach(at, seen, 'v', '', deadline)).rejects.toMatchObject({ code: 'RECORD_UNREADABLE' });
      await expect(holders.hold(at, seen, ask('a'), deadline)).rejects.toMatchObject({ code: 'RECORD_UNREADABLE' });
      expect(image.metadata.get(HOLDER_KEY)).toBe(text);
    },
  );

  it('of an image that went meanwhile is an error', async () => {
    const seen = await head();
    await rbd.remove(at, deadline);
    await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({ status: 'NOT_FOUND' });
  });

  it('of an image that went after a lost race is an error', async () => {
    const seen = await head();
    vi.spyOn(rbd, 'compareAndSet').mockImplementationOnce(async () => {
      await rbd.remove(at, deadline);
      return false;
    });
    await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({ code: 'VOLUME_NOT_FOUND' });
  });

  it('does not write into an image that was made anew under the same name', async () => {
    const seen = await head();
    await rbd.remove(at, deadline);
    await rbd.createImage(at, spec, deadline);
    await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({ status: 'NOT_FOUND' });
    expect(rbd.image(at)!.metadata.size).toBe(0);
  });
});

describe('detach', () => {
  it('takes the record away with the last holder', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    await holders.detach(at, await head(), 'v', 'a', deadline);
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
  });

  it('of a node that does not hold it writes nothing', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const seen = await head();
    rbd.calls.length = 0;
    await holders.detach(at, seen, 'v', 'b', deadline);
    expect(rbd.calls).toEqual([]);
    expect(nodes()).toEqual(['a']);
  });

  it('that saw an old record does not take the volume from its new holder', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const old = await head();
    await holders.detach(at, old, 'v', 'a', deadline);
    await holders.attach(at, await head(), ask('b'), deadline);
    await holders.detach(at, old, 'v', 'a', deadline);
    expect(nodes()).toEqual(['b']);
  });
});

describe('hold, by a node that stages', () => {
  it('is content with what the attach granted, or with less, and has nothing to give back', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    expect(await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline)).toBe(false);
    expect(await holders.hold(at, await head(), ask('a', { by: 'node', readOnly: true }), deadline)).toBe(false);
  });

  it.each<[string, Partial<AttachRequest>, Partial<AttachRequest>]>([
    ['writable after a read-only attach', { readOnly: true }, {}],
    ['writable after an attach for readers', { mode: 'MULTI_NODE_READER_ONLY' }, { mode: 'SINGLE_NODE_WRITER' }],
    ['a block device after an attach for a filesystem', {}, { access: 'block' }],
  ])('is refused what goes beyond the attach: %s', async (_what, granted, asked) => {
    await holders.attach(at, await head(), ask('a', granted), deadline);
    const stage = holders.hold(at, await head(), ask('a', { ...asked, by: 'node' }), deadline);
    await expect(stage).rejects.toMatchObject({ code: 'BEYOND_ATTACH', status: 'FAILED_PRECONDITION' });
  });

  it('takes what it took itself in another mode, as if it had given it back in between', async () => {
    await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    const other = ask('a', { by: 'node', access: 'block' });
    expect(await holders.hold(at, await head(), other, deadline)).toBe(true);
    expect(record()).toMatchObject({ access: 'block', holders: [{ node: 'a', by: 'node' }] });
  });

  it('takes the record where nobody attached, and knows it again when the stage is repeated', async () => {
    const first = await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    const again = await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    expect([first, again]).toEqual([true, true]);
    expect(record()?.holders).toMatchObject([{ node: 'a', by: 'node' }]);
  });

  it('is refused while another node holds the volume', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const stage = holders.hold(at, await head(), ask('b', { by: 'node' }), deadline);
    await expect(stage).rejects.toMatchObject({ code: 'VOLUME_HELD' });
  });
});

describe('release', () => {
  it('gives back what the node took itself', async () => {
    await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    await holders.release(at, await head(), 'v', 'a', deadline);
    expect(record()).toBeUndefined();
  });

  it('leaves what an attach has granted the node', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    for (const node of ['a', 'b']) await holders.release(at, await head(), 'v', node, deadline);
    expect(nodes()).toEqual(['a']);
  });

  it('leaves what an attach has adopted from the node', async () => {
    await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    await holders.attach(at, await head(), ask('a'), deadline);
    await holders.release(at, await head(), 'v', 'a', deadline);
    expect(record()?.holders).toEqual([{ node: 'a', since: '2026-01-01T00:00:00.000Z', by: 'controller' }]);
  });

  it('leaves what an attach grants the node at the same moment', async () => {
    await holders.hold(at, await head(), ask('a', { by: 'node' }), deadline);
    const seen = await head();
    await holders.detach(at, await head(), 'v', 'a', deadline);
    await holders.attach(at, await head(), ask('a'), deadline);
    await holders.release(at, seen, 'v', 'a', deadline);
    expect(nodes()).toEqual(['a']);
  });
});
