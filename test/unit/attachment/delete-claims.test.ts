/** The claim of a delete and the holders of a volume: whoever is first excludes the others, until it is given back. */
import { beforeEach, describe, expect, it } from 'vitest';
import { DeleteClaims } from '../../../src/attachment/delete-claims.js';
import { HOLDER_KEY, parseHolderEntry, type DeleteClaim } from '../../../src/attachment/holder-record.js';
import { HolderRecords } from '../../../src/attachment/holder-records.js';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import type { ImageRef } from '../../../src/rbd/port.js';
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
const asked = { volume, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false } as const;

let rbd: MemoryRbd;
let claims: DeleteClaims;
let holders: HolderRecords;
let image: MemoryImage;

beforeEach(async () => {
  rbd = new MemoryRbd('p');
  await rbd.createImage(at, spec, deadline);
  image = rbd.image(at)!;
  const now = () => new Date(TIME);
  claims = new DeleteClaims(rbd, now);
  holders = new HolderRecords(rbd, now);
});

const head = async () => (await rbd.head(at, deadline))!;
const seen = async () => ({ at, head: await head(), volume });
const claim = async (client = 'one') => claims.claim(await seen(), client, deadline);
const giveBack = async (client = 'one') => claims.giveBack(await seen(), client, deadline);
const attach = async (node = 'a') =>
  holders.attach(at, await head(), { ...asked, node: nodeNamed(node), by: 'controller' }, deadline);
const own = { by: 'node', bootId: 'boot', right: { by: 'node' } } as const;
const take = async (node = 'a') =>
  holders.takeForNode(at, await head(), { ...asked, ...own, node: nodeNamed(node) }, deadline);
const claimants = () =>
  (parseHolderEntry(image.metadata.get(HOLDER_KEY), volume) as DeleteClaim | undefined)?.deleting.map(
    ({ client }) => client,
  );

describe('a claim', () => {
  it('names the client, the time, and the image by its id', async () => {
    expect(await claim('10.0.0.1:0/7')).toMatchObject({ isNew: true });
    expect(JSON.parse(image.metadata.get(HOLDER_KEY)!)).toEqual({
      ...{ version: 1, image: 'p/i', imageId: image.id, fsid: rbd.fsid },
      deleting: [{ client: '10.0.0.1:0/7', since: TIME }],
    });
  });

  it('keeps everybody out: no attach and no stage, which say by whom it is deleted', async () => {
    await claim('10.0.0.1:0/7');
    const refusal = { code: 'BERTH_VOLUME_DELETING', status: 'ABORTED' };
    await expect(attach()).rejects.toMatchObject(refusal);
    await expect(take()).rejects.toThrow(/is being deleted since 2026-01-01.*by the Ceph client 10\.0\.0\.1:0\/7/);
  });

  it('of a race with an attach is refused where the attach was first', async () => {
    const before = await seen();
    await attach('node-7');
    const late = claims.claim(before, 'one', deadline);
    await expect(late).rejects.toThrow(/BERTH_VOLUME_IN_USE: .*node node-7 \(attached\)/);
  });

  it('of a race with an attach refuses the attach where the claim was first', async () => {
    const before = await head();
    await claim();
    const late = holders.attach(at, before, { ...asked, node: nodeNamed('a'), by: 'controller' }, deadline);
    await expect(late).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
  });

  it.each(['granted', 'staging', 'staged', 'released', undefined])(
    'is refused by a holder that is %s',
    async (state) => {
      await attach('a');
      const record = JSON.parse(image.metadata.get(HOLDER_KEY)!) as { holders: object[] };
      record.holders = [{ ...record.holders[0], state }];
      image.metadata.set(HOLDER_KEY, JSON.stringify(record));
      await expect(claim()).rejects.toMatchObject({ code: 'BERTH_VOLUME_IN_USE' });
    },
  );

  it('is not kept away by a record that came with a copy', async () => {
    image.metadata.set(HOLDER_KEY, JSON.stringify({ version: 1, image: 'p/origin', holders: [] }));
    expect(await claim()).toMatchObject({ isNew: true });
    expect(claimants()).toEqual(['one']);
  });

  it('that came with a copy keeps nobody out', async () => {
    const copied = {
      version: 1,
      image: 'p/i',
      imageId: 'origin',
      fsid: rbd.fsid,
      deleting: [{ client: 'x', since: TIME }],
    };
    image.metadata.set(HOLDER_KEY, JSON.stringify(copied));
    await attach();
  });

  it('is no matter to a release or a detach, which find nobody to take out', async () => {
    await claim();
    const text = image.metadata.get(HOLDER_KEY);
    await holders.release(at, await head(), volume, nodeNamed('a'), deadline);
    const gone = [{ node: 'a', since: TIME, by: 'controller' }] as const;
    expect(await holders.detach(at, await head(), volume, gone, deadline)).toBe(true);
    expect(image.metadata.get(HOLDER_KEY)).toBe(text);
  });

  it('without client or time is refused, and never taken for nobody', async () => {
    image.metadata.set(HOLDER_KEY, '{"version":1,"deleting":[{"client":"x"}]}');
    await expect(claim()).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
    await expect(attach()).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
  });
});

describe('a claim that is given back', () => {
  it('lets the volume be attached again', async () => {
    await claim();
    await giveBack();
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
    await attach();
  });

  it('stays while another client may be removing the image', async () => {
    await claim('one');
    expect(await claim('two')).toMatchObject({ isNew: true });
    await giveBack('two');
    expect(claimants()).toEqual(['one']);
    await expect(attach()).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
    await giveBack('one');
    await attach();
  });

  it('says of a client that is in it already that its earlier attempt may still come true', async () => {
    await claim();
    expect(await claim()).toMatchObject({ isNew: false });
  });

  it('takes nothing from whoever holds the volume by then', async () => {
    await attach('a');
    await giveBack();
    expect(image.metadata.get(HOLDER_KEY)).toContain('"node":"a"');
  });
});
