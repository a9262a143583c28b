/** The grant in the holder record: one name an attach, kept through every state, and none other is good enough. */
import { beforeEach, describe, expect, it } from 'vitest';
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
const head = async (): Promise<ImageHead> => (await rbd.head(at, deadline))!;
const record = (): HolderRecord | undefined => parseHolderRecord(image.metadata.get(HOLDER_KEY), 'v');
/** As a detach that has just read the record. */
const detach = (seen: ImageHead, node: string): Promise<boolean> => {
  const gone = record()?.holders.filter((one) => one.node === node) ?? [];
  return holders.detach(at, seen, 'v', gone, deadline);
};

describe('attach', () => {
  it('answers its grant, the same when it is repeated, and another one after a detach', async () => {
    const grant = async (grant: string): Promise<string | undefined> =>
      holders.attach(at, await head(), ask('a', { grant }), deadline);
    expect([await grant('first'), await grant('second')]).toEqual(['first', 'first']);
    expect(record()?.holders).toMatchObject([{ node: 'a', grant: 'first', state: 'granted' }]);
    await detach(await head(), 'a');
    expect(await grant('third')).toBe('third');
  });

  it('names what an earlier Berth has granted without a name no better', async () => {
    await holders.attach(at, await head(), ask('a'), deadline);
    expect(await holders.attach(at, await head(), ask('a', { grant: 'new' }), deadline)).toBeUndefined();
    expect(record()?.holders[0].grant).toBeUndefined();
  });

  it('that loses a race to its own repetition answers the grant that won', async () => {
    const seen = await head();
    const both = ['first', 'second'].map((grant) => holders.attach(at, seen, ask('a', { grant }), deadline));
    const [one, other] = await Promise.all(both);
    expect(one).toBe(other);
    expect(record()?.holders).toMatchObject([{ node: 'a', grant: one }]);
  });
});

describe('hold, by a node that shows its grant', () => {
  const show = async (grant: string, seen?: ImageHead): Promise<ImageHead> => {
    const request = { ...ask('a', { by: 'node' }), bootId: BOOT, right: { by: 'attach', grant } } as const;
    return holders.takeForNode(at, seen ?? (await head()), request, deadline);
  };

  it('keeps the grant through every state, until it is detached', async () => {
    await holders.attach(at, await head(), ask('a', { grant: 'g' }), deadline);
    const held = await show('g');
    expect(record()?.holders).toMatchObject([{ state: 'staging', grant: 'g' }]);
    await staged(held, 'a');
    expect(record()?.holders).toMatchObject([{ state: 'staged', grant: 'g' }]);
    await holders.release(at, await head(), 'v', nodeNamed('a'), deadline);
    expect(record()?.holders).toMatchObject([{ state: 'released', grant: 'g' }]);
  });

  it('is refused after its detach, by what it has read before as well as by what it reads now', async () => {
    await holders.attach(at, await head(), ask('a', { grant: 'g' }), deadline);
    const seen = await head();
    await detach(await head(), 'a');
    await expect(show('g', seen)).rejects.toMatchObject({ code: 'BERTH_GRANT_OUTDATED' });
    await expect(show('g')).rejects.toMatchObject({ code: 'BERTH_GRANT_OUTDATED', status: 'FAILED_PRECONDITION' });
    expect(record()).toBeUndefined();
  });

  it('that lost it between map and write is told so, although its node is staging it again', async () => {
    await holders.attach(at, await head(), ask('a', { grant: 'g' }), deadline);
    const held = await show('g');
    await detach(await head(), 'a');
    await holders.attach(at, await head(), ask('a', { grant: 'h' }), deadline);
    await show('h');
    await expect(staged(held, 'a')).rejects.toMatchObject({ code: 'BERTH_RECORD_LOST' });
    expect(record()?.holders).toMatchObject([{ state: 'staging', grant: 'h' }]);
  });

  it('names what an attach adopts from the node', async () => {
    await hold(await head(), ask('a', { by: 'node' }));
    expect(await holders.attach(at, await head(), ask('a', { grant: 'g' }), deadline)).toBe('g');
    expect(record()?.holders).toMatchObject([{ by: 'controller', state: 'staging', grant: 'g' }]);
    await show('g');
  });
});
