/** ListVolumes in a pool that another installation shares: its volumes are none of ours, and cost nothing. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import { Installation } from '../../../../../src/attachment/node-identity.js';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { listVolumes } from '../../../../../src/volume/controller/list/list-volumes.js';
import { DEFAULT_FEATURES } from '../../../../../src/volume/image/image-features.js';
import { VOLUME_KEY } from '../../../../../src/volume/image/volume-record.js';
import { memoryCluster, GiB, soon } from '../memory-cluster.js';

const cluster = memoryCluster();
const spec = {
  ...{ sizeBytes: GiB, features: DEFAULT_FEATURES, objectSizeBytes: undefined, stripeUnitBytes: undefined },
  ...{ stripeCount: undefined, dataPool: undefined, metadata: new Map() },
};
let now = 0;
let foreignImages = new ForeignImages(() => now);
beforeEach(() => {
  now = 0;
  foreignImages = new ForeignImages(() => now);
});
const warn = vi.fn();
const put = (name: string): Promise<unknown> => cluster.rbd.createImage(cluster.at(name), spec, soon());

describe("another installation's volume", () => {
  const parts = (installation: string) => ({
    ...{ ...cluster, foreignImages, log: { warn }, installation: new Installation(installation) },
  });
  const made = async (name: string, maker: string | undefined): Promise<void> => {
    await put(name);
    const record = {
      version: 1,
      name,
      created: '',
      shape: {},
      ...(maker === undefined ? {} : { installation: maker }),
    };
    cluster.image(name)!.metadata.set(VOLUME_KEY, JSON.stringify(record));
  };
  const listed = async (installation: string): Promise<readonly string[]> => {
    cluster.rbd.calls.length = 0;
    const { volumes } = await listVolumes(parts(installation), { maxEntries: 0, startingToken: '' }, soon());
    return volumes.map(({ volume }) => volume);
  };
  const reads = (): number => cluster.rbd.calls.filter(({ operation }) => operation === 'headById').length;

  it('is not listed in a shared pool, and costs nothing once it is known', async () => {
    for (let n = 0; n < 30; n += 1) await made(`theirs-${n}`, 'B');
    await made('mine', 'A');
    await made('old', undefined);
    expect(await listed('A')).toEqual(['c1/rbd/mine', 'c1/rbd/old']);
    now += 120_000;
    expect(await listed('A')).toEqual(['c1/rbd/mine', 'c1/rbd/old']);
    expect(await listed('A')).toEqual(['c1/rbd/mine', 'c1/rbd/old']);
    expect(reads()).toBe(2);
  });

  it('is listed while a node of this one holds it, and where this one has no name', async () => {
    await made('theirs', 'B');
    expect(await listed('')).toEqual(['c1/rbd/theirs']);
    const holders = [{ node: 'n1', since: '', by: 'controller', installation: 'A' }];
    const record = { version: 1, mode: 'SINGLE_NODE_WRITER', access: 'block', readOnly: false, holders };
    cluster.image('theirs')!.metadata.set(HOLDER_KEY, JSON.stringify(record));
    expect(await listed('A')).toEqual(['c1/rbd/theirs']);
    expect(await listed('C')).toEqual([]);
  });
});
