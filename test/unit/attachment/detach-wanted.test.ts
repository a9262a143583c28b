/** The wish that a volume leave its node: written beside the holder, once, and ended by whoever brings it anew. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY, parseHolderRecord, type Holder } from '../../../src/attachment/holder-record.js';
import { HolderRecords } from '../../../src/attachment/holder-records.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import type { ImageHead, ImageRef } from '../../../src/rbd/port.js';
import { nodeNamed } from '../../fakes/node-named.js';
import { MemoryRbd, type MemoryImage } from '../../fakes/rbd-memory.js';

const TIME = '2026-01-01T00:00:00.000Z';
const access = { cluster: 'c', monitors: ['127.0.0.1'], user: 'u', key: new Secret('k') };
const at: ImageRef = { access, pool: 'p', namespace: '', image: 'i' };
const volume = 'c/p/i';
const deadline = Deadline.after(10_000);
const spec = {
  ...{ sizeBytes: 1n << 20n, features: ['layering'], objectSizeBytes: undefined },
  ...{ stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined, metadata: new Map() },
};
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };
const asked = { volume, node: nodeNamed('a'), mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false } as const;

let rbd: MemoryRbd;
let holders: HolderRecords;
let image: MemoryImage;
beforeEach(async () => {
  rbd = new MemoryRbd('p');
  await rbd.createImage(at, spec, deadline);
  image = rbd.image(at)!;
  holders = new HolderRecords(rbd, () => new Date(TIME));
});

const head = async (): Promise<ImageHead> => (await rbd.head(at, deadline))!;
const holder = (): Holder => parseHolderRecord(image.metadata.get(HOLDER_KEY), volume)!.holders[0];
const attach = async () => holders.attach(at, await head(), { ...asked, by: 'controller' }, deadline);
const right = { by: 'attach', grant: undefined } as const;
const take = async () =>
  holders.takeForNode(at, await head(), { ...asked, by: 'node', bootId: 'boot', right }, deadline);
const stage = async () =>
  holders.recordStaged(at, await take(), { volume, node: asked.node, bootId: 'boot', clients: [CLIENT] }, deadline);
const want = async (of = holder()) => holders.wantDetach(at, await head(), volume, of, deadline);

describe('a detach that is wanted', () => {
  beforeEach(async () => {
    await attach();
    await stage();
  });

  it('is written down once, beside all that is known of the holder', async () => {
    await want();
    expect(holder()).toMatchObject({ node: 'a', state: 'staged', detachWanted: TIME, clients: [CLIENT] });
    rbd.calls.length = 0;
    await want();
    expect(rbd.calls.map(({ operation }) => operation)).toEqual(['head']);
  });

  it.each([
    ['attach', attach],
    ['stage', stage],
  ])('is not wanted any more after the next %s', async (_what, bring) => {
    await want();
    await bring();
    expect(holder()).toMatchObject({ state: 'staged', clients: [CLIENT] });
    expect(holder()).not.toHaveProperty('detachWanted');
  });

  it('is not written down of a holder that has changed meanwhile', async () => {
    const seen = holder();
    await take();
    await want(seen);
    expect(holder()).not.toHaveProperty('detachWanted');
  });
});
