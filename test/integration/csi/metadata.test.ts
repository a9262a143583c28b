/**
 * What the cluster itself can tell of a volume, and what the controller tells of all of them: names, provenance,
 * holders, pages.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isolatedNamespace, type Place } from '../ceph.js';
import { refused } from './calls.js';
import { block, MiB, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let driver: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('meta');
  [driver, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

describe('CreateVolume, what rbd image-meta list shows', () => {
  it('names its claim and its PersistentVolume in rbd image-meta list', async () => {
    const names = {
      'csi.storage.k8s.io/pvc/name': 'data-postgres-0',
      'csi.storage.k8s.io/pvc/namespace': 'datenbank-äöü',
      'csi.storage.k8s.io/pv/name': 'pvc-1f9c4b2e-5b1d-4a55-8a34-0a2d5e0f0c11',
    };
    const volume = await site.create(driver, block(), { ...small, parameters: names });
    expect(await site.metadata(volume.image)).toMatchObject(names);
    const line = await site.rbd('image-meta', 'get', volume.image, 'csi.storage.k8s.io/pvc/name');
    expect(line.trim()).toBe('data-postgres-0');
  });

  it('is the same volume whatever claim asks for its name again', async () => {
    const name = site.unique();
    const first = await site.create(driver, block(), {
      ...small,
      name,
      parameters: { 'csi.storage.k8s.io/pvc/name': 'a' },
    });
    const again = site.request(block(), { ...small, name, parameters: { 'csi.storage.k8s.io/pvc/name': 'b' } });
    expect((await driver.controller.CreateVolume(again)).volume?.volumeId).toBe(first.id);
  });

  it('tells a person what was formatted, and who holds it since when', async () => {
    const volume = await site.create(driver, xfs(), { sizeBytes: XFS_BYTES });
    const records = async () => Object.entries(await site.metadata(volume.image));
    expect((await records()).filter(([, value]) => value.includes(driver.nodeId))).toEqual([]);
    await volume.bring(driver);
    const held = (await records()).filter(([, value]) => value.includes(driver.nodeId));
    expect(held).toHaveLength(1);
    expect(held[0]![1]).toMatch(/20\d\d-\d\d-\d\dT\d\d:\d\d/);
    expect((await records()).filter(([, value]) => /formatted/.test(value) && value.includes('xfs'))).toHaveLength(1);
    await volume.leave(driver);
    expect((await records()).filter(([, value]) => value.includes(driver.nodeId))).toEqual([]);
  });

  it('has the layout that its parameters ask for', async () => {
    const parameters = {
      objectSize: '8Mi',
      stripeUnit: '1Mi',
      stripeCount: '4',
      imageFeatures: 'layering,exclusive-lock',
    };
    const volume = await site.create(driver, block(), {
      sizeBytes: 64 * MiB,
      parameters: { ...parameters, volumeNamePrefix: 'gold-' },
    });
    expect(volume.id).toMatch(/\/gold-[^/]+$/);
    const info = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as Record<string, unknown>;
    expect(info).toMatchObject({ object_size: 8 * MiB, stripe_unit: MiB, stripe_count: 4 });
    expect((info['features'] as string[]).filter((one) => one !== 'striping').sort()).toEqual([
      'exclusive-lock',
      'layering',
    ]);
  });
});

describe('ControllerGetVolume and ListVolumes', () => {
  const nodesOf = async (volumeId: string): Promise<readonly string[]> => {
    const { status } = await driver.controller.ControllerGetVolume({ volumeId });
    const { entries } = await driver.controller.ListVolumes({});
    const entry = entries.find((one) => one.volume?.volumeId === volumeId);
    expect([...entry!.status!.publishedNodeIds].sort()).toEqual([...status!.publishedNodeIds].sort());
    return [...status!.publishedNodeIds].sort();
  };

  it('tell the nodes that hold a volume, one or many', async () => {
    const volume = await site.create(driver, block(RWX), small);
    expect(await nodesOf(volume.id)).toEqual([]);
    await volume.attach(driver);
    expect(await nodesOf(volume.id)).toEqual([driver.nodeId]);
    await volume.attach(two);
    expect(await nodesOf(volume.id)).toEqual([driver.nodeId, two.nodeId]);
    await volume.detach(driver);
    expect(await nodesOf(volume.id)).toEqual([two.nodeId]);
  });

  it('show only volumes that Berth made', async () => {
    const volume = await site.create(driver, block(), small);
    await site.rbd('create', `${site.pool}/${site.namespace}/somebody-elses`, '--size', '8M');
    try {
      const { entries } = await driver.controller.ListVolumes({});
      expect(entries.map((one) => one.volume?.volumeId)).toEqual([volume.id]);
    } finally {
      await site.rbd('rm', '--no-progress', `${site.pool}/${site.namespace}/somebody-elses`);
    }
  });
});

describe('GetCapacity', () => {
  it('tells what the pool can take, for all pools, for one, and none for what cannot be made', async () => {
    const { controller } = driver;
    for (const request of [{}, { parameters: site.parameters }, { volumeCapabilities: [xfs()] }]) {
      const { availableCapacity, maximumVolumeSize } = await controller.GetCapacity(request);
      expect(Number(availableCapacity)).toBeGreaterThan(2 ** 30);
      expect(Number(maximumVolumeSize?.value)).toBeGreaterThanOrEqual(Number(availableCapacity));
    }
    const none = await controller.GetCapacity({ volumeCapabilities: [xfs(RWX)] });
    expect(none.availableCapacity).toBe('0');
  });
});

describe('ControllerGetVolume', () => {
  it('wants an id, knows what is not there, and tells size and nodes', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const { controller } = driver;
    await refused(controller.ControllerGetVolume({}), 'INVALID_ARGUMENT', /volume_id/);
    await refused(controller.ControllerGetVolume({ volumeId: 'unknown' }), 'NOT_FOUND');
    const before = await controller.ControllerGetVolume({ volumeId: volume.id });
    expect(before.volume).toMatchObject({ volumeId: volume.id, capacityBytes: String(SMALL_BYTES) });
    expect(before.status?.publishedNodeIds).toEqual([]);
    await volume.attach(driver);
    const after = await controller.ControllerGetVolume({ volumeId: volume.id });
    expect(after.status?.publishedNodeIds).toEqual([driver.nodeId]);
  });
});

describe('ListVolumes', () => {
  it('aborts on a token that it never gave', async () => {
    for (const startingToken of ['invalid-token', '7', 'x/y/z', `other/${site.pool}/x`]) {
      await refused(driver.controller.ListVolumes({ startingToken }), 'ABORTED', /starting_token|token/);
    }
    await refused(driver.controller.ListVolumes({ maxEntries: -1 }), 'INVALID_ARGUMENT', /max_entries/);
  });
});

describe('pages of ListVolumes', () => {
  let other: Place;
  let both: Driver;
  beforeAll(async () => {
    other = await isolatedNamespace('meta2');
    const file = `${site.directory}/both.yaml`;
    await site.writeClusters({ namespaces: [site.namespace, other.namespace] }, {}, file);
    both = await site.driver('both', { clustersFile: file }).start();
  });
  afterAll(async () => {
    await site.endVolumes();
    await other.remove();
  });

  const pages = async (maxEntries: number, between?: (page: readonly string[]) => Promise<void>) => {
    const all: string[][] = [];
    let startingToken = '';
    do {
      const { entries, nextToken } = await both.controller.ListVolumes({ maxEntries, startingToken });
      expect(entries.length).toBeLessThanOrEqual(maxEntries);
      expect(Buffer.byteLength(nextToken)).toBeLessThanOrEqual(128);
      all.push(entries.map((one) => one.volume!.volumeId));
      startingToken = nextToken;
      await between?.(all.at(-1)!);
    } while (startingToken !== '');
    return all;
  };

  const seven = async (): Promise<string[]> => {
    const homes = [...Array<string>(4).fill(site.namespace), ...Array<string>(3).fill(other.namespace)];
    const volumes = await Promise.all(
      homes.map((radosNamespace) => site.create(both, block(), { ...small, parameters: { radosNamespace } })),
    );
    return volumes.map((one) => one.id).sort();
  };

  it('together hold every volume once, over the border of two namespaces, and the last promises no other', async () => {
    const ids = await seven();
    for (const size of [1, 2, 3, 4, 7, 100]) {
      const found = await pages(size);
      expect(found.flat().sort(), `pages of ${size}`).toEqual(ids);
      expect(found.every((page) => page.length > 0)).toBe(true);
      expect(found).toHaveLength(Math.ceil(7 / size));
    }
  });

  it('go on although the volume of the token was deleted, and others came and went elsewhere', async () => {
    const ids = await seven();
    const lost: string[] = [];
    const secrets = site.secrets();
    const found = await pages(2, async (page) => {
      const last = page.at(-1)!;
      if (lost.length === 0) {
        lost.push(last);
        await driver.controller.DeleteVolume({ volumeId: last, secrets });
        await both.controller.DeleteVolume({ volumeId: last, secrets });
      }
    });
    expect(found.flat().sort()).toEqual(ids);
  });

  it('change by one with a create and with a delete, while somebody else creates in another namespace', async () => {
    const count = async () => (await driver.controller.ListVolumes({})).entries.length;
    const calm = new AbortController();
    const noise = (async () => {
      while (!calm.signal.aborted) {
        const volume = await site.create(both, block(), { ...small, parameters: { radosNamespace: other.namespace } });
        await volume.delete();
      }
    })();
    try {
      const before = await count();
      const volume = await site.create(driver, block(), small);
      expect(await count()).toBe(before + 1);
      await volume.delete();
      expect(await count()).toBe(before);
    } finally {
      calm.abort();
      await noise;
    }
  });

  it('refuse a token of a place that is not ours', async () => {
    const startingToken = `dev/${site.pool}/${other.namespace}/x`;
    await refused(driver.controller.ListVolumes({ startingToken }), 'ABORTED');
  });
});
