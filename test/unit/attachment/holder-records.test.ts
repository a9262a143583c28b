/** The holder record under races: whoever is first wins, and a lost race is never a granted one. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AttachRequest } from '../../../src/attachment/decide-attach.js';
import { HolderRecords } from '../../../src/attachment/holder-records.js';
import { HOLDER_KEY, parseHolderRecord, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { ImageHead } from '../../../src/rbd/port.js';
import { MemoryRbd, type MemoryImage } from '../../fakes/rbd-memory.js';
import { nodeNamed } from '../../fakes/node-named.js';
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

const BOOT = 'boot-1';
const hold = (seen: ImageHead, request: AttachRequest, bootId = BOOT): Promise<ImageHead> =>
  holders.takeForNode(at, seen, { ...request, bootId, right: { by: 'node' } }, deadline);
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };
const staged = (seen: ImageHead, node: string, bootId = BOOT, clients = [CLIENT]): Promise<ImageHead> =>
  holders.recordStaged(at, seen, { volume: 'v', node: nodeNamed(node), bootId, clients }, deadline);
const TIME = '2026-01-01T00:00:00.000Z';
const head = async (): Promise<ImageHead> => (await rbd.head(at, deadline))!;
const record = (): HolderRecord | undefined => parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v');
/** As a detach that has just read the record. */
const detach = (seen: ImageHead, node: string): Promise<boolean> => {
  const gone = record()?.holders.filter((one) => one.node === node) ?? [];
  return holders.detach(at, seen, 'v', gone, deadline);
};
const nodes = (): readonly string[] => record()?.holders.map((one) => one.node) ?? [];

describe('attach', () => {
  it('writes the record with one operation', async () => {
    const seen = await head();
    rbd.calls.length = 0;
    await holders.attach(at, seen, ask('a'), deadline);
    expect(rbd.calls.map((one) => one.operation)).toEqual(['compareAndSet']);
    expect(record()).toEqual({
      ...{ version: 1, image: 'p/i', imageId: image.id, fsid: rbd.fsid },
      ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false },
      holders: [{ node: 'a', since: TIME, by: 'controller', state: 'granted' }],
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
      new HolderRecords(rbd).attach(at, seen, ask('b'), deadline),
    ]);
    expect([a.status, b.status].sort()).toEqual(['fulfilled', 'rejected']);
    const loser = a.status === 'rejected' ? a : b;
    expect(loser).toMatchObject({ reason: { code: 'BERTH_VOLUME_HELD' } });
    expect(nodes()).toEqual([a.status === 'fulfilled' ? 'a' : 'b']);
  });

  it('of many readers at the same time is granted to all of them, none lost', async () => {
    const seen = await head();
    const names = ['a', 'b', 'c', 'd', 'e'];
    const way = { mode: 'MULTI_NODE_READER_ONLY', readOnly: true } as const;
    await Promise.all(names.map((node) => holders.attach(at, seen, ask(node, way), deadline)));
    expect([...nodes()].sort()).toEqual(names);
  });

  it.each([0, 1, 12])('after %d lost races is granted', async (lost) => {
    const race = vi.spyOn(rbd, 'compareAndSet');
    for (let i = 0; i < lost; i += 1) race.mockResolvedValueOnce(false);
    await holders.attach(at, await head(), ask('a'), deadline);
    expect(nodes()).toEqual(['a']);
    expect(race).toHaveBeenCalledTimes(lost + 1);
  });

  it('that loses every race gives up and says so', async () => {
    const race = vi.spyOn(rbd, 'compareAndSet').mockResolvedValue(false);
    const attach = holders.attach(at, await head(), ask('a'), deadline);
    await expect(attach).rejects.toMatchObject({ code: 'BERTH_RECORD_CONTENDED', status: 'ABORTED' });
    expect(race).toHaveBeenCalledTimes(40);
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
      await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({
        code: 'BERTH_RECORD_UNREADABLE',
      });
      await expect(holders.detach(at, seen, 'v', [], deadline)).rejects.toMatchObject({
        code: 'BERTH_RECORD_UNREADABLE',
      });
      await expect(hold(seen, ask('a'))).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
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
    await expect(holders.attach(at, seen, ask('a'), deadline)).rejects.toMatchObject({
      code: 'BERTH_VOLUME_NOT_FOUND',
    });
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
    await detach(await head(), 'a');
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
  });

  it('of a node that does not hold it writes nothing', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const seen = await head();
    rbd.calls.length = 0;
    await detach(seen, 'b');
    expect(rbd.calls).toEqual([]);
    expect(nodes()).toEqual(['a']);
  });

  it('that saw an old record does not take the volume from its new holder', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const old = await head();
    const gone = record()!.holders;
    await holders.detach(at, old, 'v', gone, deadline);
    await holders.attach(at, await head(), ask('b'), deadline);
    await holders.detach(at, old, 'v', gone, deadline);
    expect(nodes()).toEqual(['b']);
  });
});

describe('hold, by a node that stages', () => {
  it('is content with what the attach granted, or with less, and says that it set out', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    // As an earlier Berth wrote it, which asked for the Node object's uid.
    const {
      holders: [granted],
    } = record()!;
    image.metadata.set(HOLDER_KEY, JSON.stringify({ ...record(), holders: [{ ...granted, uid: 'uid-a' }] }));
    const begun = { node: 'a', since: TIME, by: 'controller', uid: 'uid-a', state: 'staging', at: TIME, bootId: BOOT };
    await hold(await head(), ask('a', { by: 'node' }));
    expect(record()?.holders).toEqual([begun]);
    await hold(await head(), ask('a', { by: 'node', readOnly: true }));
    expect(record()?.holders).toEqual([begun]);
  });

  it('answers the head as it is now, so that the next step reads nothing', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const held = await hold(await head(), ask('a', { by: 'node' }));
    rbd.calls.length = 0;
    await staged(held, 'a');
    expect(rbd.calls.map(({ operation }) => operation)).toEqual(['compareAndSet']);
    expect(record()?.holders).toEqual([
      { node: 'a', since: TIME, by: 'controller', state: 'staged', at: TIME, bootId: BOOT, clients: [CLIENT] },
    ]);
  });

  it('keeps the clients of its own boot, whose mapping may be found again, and no others', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    await staged(await hold(await head(), ask('a', { by: 'node' })), 'a');
    await hold(await head(), ask('a', { by: 'node' }));
    expect(record()?.holders[0]).toMatchObject({ state: 'staging', clients: [CLIENT] });
    await hold(await head(), ask('a', { by: 'node' }), 'boot-2');
    expect(record()?.holders[0].clients).toBeUndefined();
  });

  it('sees a detach that came before it', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const seen = await head();
    await detach(seen, 'a');
    await holders.attach(at, await head(), ask('b'), deadline);
    await expect(hold(seen, ask('a', { by: 'node' }))).rejects.toMatchObject({ code: 'BERTH_VOLUME_HELD' });
  });

  it('that lost the record while it mapped is told so before it writes anything', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const held = await hold(await head(), ask('a', { by: 'node' }));
    await detach(await head(), 'a');
    await expect(staged(held, 'a')).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST', status: 'ABORTED' });
    await holders.attach(at, await head(), ask('a'), deadline);
    await expect(staged(held, 'a')).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST' });
    await hold(await head(), ask('a', { by: 'node' }), 'boot-2');
    await expect(staged(held, 'a')).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST' });
  });

  it.each<[string, Partial<AttachRequest>, Partial<AttachRequest>]>([
    ['writable after a read-only attach', { readOnly: true }, {}],
    ['writable after an attach for readers', { mode: 'MULTI_NODE_READER_ONLY' }, { mode: 'SINGLE_NODE_WRITER' }],
    ['a block device after an attach for a filesystem', {}, { access: 'block' }],
  ])('is refused what goes beyond the attach: %s', async (_what, granted, asked) => {
    await holders.attach(at, await head(), ask('a', granted), deadline);
    const stage = hold(await head(), ask('a', { ...asked, by: 'node' }));
    await expect(stage).rejects.toMatchObject({ code: 'BERTH_BEYOND_ATTACH', status: 'FAILED_PRECONDITION' });
  });

  it('takes what it took itself in another mode, as if it had given it back in between', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    const other = ask('a', { by: 'node', access: 'block' });
    await hold(await head(), other);
    expect(record()).toMatchObject({ access: 'block', holders: [{ node: 'a', by: 'node' }] });
  });

  it('takes the record where nobody attached, and knows it again when the stage is repeated', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    await hold(await head(), ask('a', { by: 'node' }));
    expect(record()?.holders).toMatchObject([{ node: 'a', by: 'node', state: 'staging' }]);
  });

  it('is refused while another node holds the volume', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const stage = hold(await head(), ask('b', { by: 'node' }));
    await expect(stage).rejects.toMatchObject({ code: 'BERTH_VOLUME_HELD' });
  });
});

describe('release', () => {
  it('gives back what the node took itself', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    await holders.release(at, await head(), 'v', nodeNamed('a'), deadline);
    expect(record()).toBeUndefined();
  });

  it('leaves what an attach has granted the node', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    for (const node of ['a', 'b']) await holders.release(at, await head(), 'v', nodeNamed(node), deadline);
    expect(nodes()).toEqual(['a']);
  });

  it('leaves what an attach has adopted from the node', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    await holders.attach(at, await head(), ask('a'), deadline);
    await holders.release(at, await head(), 'v', nodeNamed('a'), deadline);
    expect(record()?.holders).toEqual([{ node: 'a', since: TIME, by: 'controller', state: 'released', at: TIME }]);
  });

  it('remembers its clients until the next stage: Ceph may not have forgotten one that died', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    await staged(await hold(await head(), ask('a', { by: 'node' })), 'a');
    await holders.release(at, await head(), 'v', nodeNamed('a'), deadline);
    expect(record()?.holders).toMatchObject([{ state: 'released', clients: [CLIENT] }]);
    await hold(await head(), ask('a', { by: 'node' }));
    expect(record()?.holders[0]).toMatchObject({ state: 'staging' });
    expect(record()?.holders[0].clients).toBeUndefined();
  });

  it('leaves what an attach grants the node at the same moment', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    const seen = await head();
    await detach(await head(), 'a');
    await holders.attach(at, await head(), ask('a'), deadline);
    await holders.release(at, seen, 'v', nodeNamed('a'), deadline);
    expect(nodes()).toEqual(['a']);
  });
});

describe('detach as seen', () => {
  const seenHolders = async () => parseHolderRecord((await head()).metadata.get(HOLDER_KEY), 'v')!.holders;

  it('takes away exactly the holders that were decided on, and leaves the others', async () => {
    for (const node of ['a', 'b', 'c'])
      await holders.attach(at, await head(), ask(node, { mode: 'MULTI_NODE_READER_ONLY' }), deadline);
    const gone = (await seenHolders()).filter(({ node }) => node !== 'b');
    expect(await holders.detach(at, await head(), 'v', gone, deadline)).toBe(true);
    expect(nodes()).toEqual(['b']);
    expect(await holders.detach(at, await head(), 'v', await seenHolders(), deadline)).toBe(true);
    expect(record()).toBeUndefined();
  });

  it('leaves a holder that went on meanwhile, and says so: it has to be decided anew', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const old = await head();
    const gone = await seenHolders();
    await hold(await head(), ask('a', { by: 'node' }));
    expect(await holders.detach(at, old, 'v', gone, deadline)).toBe(false);
    expect(nodes()).toEqual(['a']);
  });

  it('of a holder that is gone already is done', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    const gone = await seenHolders();
    await detach(await head(), 'a');
    expect(await holders.detach(at, await head(), 'v', gone, deadline)).toBe(true);
  });
});
