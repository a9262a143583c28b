/** Get, capacity and validate: what is answered was really looked at. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import type { Capability } from '../../../../src/model/capability.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { getVolume } from '../../../../src/volume/controller/get-volume.js';
import { whyNotValid } from '../../../../src/volume/controller/validate-volume.js';
import { availableCapacity } from '../../../../src/volume/controller/get-capacity.js';
import { FILESYSTEM_KEY, formatProvenance, type Provenance } from '../../../../src/volume/image/provenance.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { memoryCluster, creation, GiB, mounted, noSecrets, raw, soon } from './memory-cluster.js';
import { capacityParts, createParts } from './use-case-parts.js';

const cluster = memoryCluster();
const volume = 'c1/rbd/berth-v';
const validate = (
  capabilities: readonly Capability[] = [mounted],
  parameters: Readonly<Record<string, string>> = {},
  at = volume,
) => whyNotValid(cluster, { volume: at, capabilities, parameters, secrets: noSecrets }, soon());

beforeEach(() => createVolume(createParts(cluster), creation('v'), soon()));

describe('validating', () => {
  it('confirms what the volume is', async () => {
    expect(await validate([mounted])).toBeUndefined();
    expect(await validate([raw])).toBeUndefined();
    expect(await validate([mounted], { clusterID: 'c1', pool: 'rbd' })).toBeUndefined();
    expect(await validate([mounted], { clusterID: 'c1', pool: 'rbd', mounter: 'auto' })).toBeUndefined();
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['another pool', { pool: 'fast' }, /not in c1\/fast$/],
    ['another cluster', { clusterID: 'c2' }, /not in c2\/rbd$/],
    ['another namespace', { radosNamespace: 'team' }, /not in c1\/rbd\/team$/],
    ['another shape', { objectSize: '8Mi' }, /objectSizeBytes is unset, not 8388608/],
  ])('does not confirm %s', async (_what, more, why) => {
    expect(await validate([mounted], { clusterID: 'c1', pool: 'rbd', ...more })).toMatch(why);
  });

  it('does not take a namespace for the pool that it is in', async () => {
    const parameters = { radosNamespace: 'team' };
    const inside = await createVolume(createParts(cluster), creation('v', { parameters }), soon());
    const home = { clusterID: 'c1', pool: 'rbd' };
    expect(await validate([mounted], home, inside.volume)).toMatch(/not in c1\/rbd$/);
    expect(await validate([mounted], { ...home, ...parameters }, inside.volume)).toBeUndefined();
  });

  it('does not confirm a use that RBD cannot honour', async () => {
    expect(await validate([{ ...mounted, mode: 'MULTI_NODE_MULTI_WRITER' }])).toMatch(/destroy it/);
  });

  it.each<Provenance>([
    { state: 'formatted', type: 'xfs', uuid: 'u' },
    { state: 'formatting', type: 'xfs', uuid: 'u', node: 'a' },
  ])('does not confirm a filesystem that the volume does not hold: %o', async (provenance) => {
    const text = formatProvenance(provenance as Exclude<Provenance, { state: 'foreign' }>, 'c/p/i', {
      id: cluster.image('berth-v')!.id,
      fsid: cluster.rbd.fsid,
    });
    cluster.image('berth-v')!.metadata.set(FILESYSTEM_KEY, text);
    expect(await validate([mounted])).toBe('it holds xfs, not ext4');
    const any: Capability = { mode: 'SINGLE_NODE_WRITER', access: { ...mounted.access, fsType: undefined } as never };
    expect(await validate([any])).toBeUndefined();
  });

  it('does not confirm parameters of an image that Berth did not make', async () => {
    cluster.image('berth-v')!.metadata.delete(VOLUME_KEY);
    expect(await validate([mounted], { clusterID: 'c1', pool: 'rbd' })).toMatch(/did not make/);
    expect(await validate([mounted])).toBeUndefined();
  });

  it('refuses what is no question', async () => {
    await expect(validate([])).rejects.toMatchObject({ code: 'BERTH_FIELD_MISSING' });
    await expect(validate([mounted, raw])).rejects.toMatchObject({ code: 'BERTH_CAPABILITY_UNSUPPORTED' });
    await expect(validate([mounted], { nonsense: 'x' })).rejects.toMatchObject({ code: 'BERTH_PARAMETER_UNKNOWN' });
    for (const at of ['x', 'c1/rbd/gone', 'c1/foreign/berth-v', 'c2/rbd/berth-v']) {
      await expect(validate([mounted], {}, at)).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_FOUND' });
    }
  });
});

describe('getting a volume', () => {
  it('shows its size and holders as they are now', async () => {
    expect(await getVolume(cluster, volume, soon())).toEqual({
      ...{ volume, sizeBytes: GiB, publishedNodes: [] },
      condition: { abnormal: false, message: 'attached to no node, open nowhere' },
    });
    cluster.image('berth-v')!.watchers.push({ address: '10.0.0.9:0/7', client: 7n });
    expect((await getVolume(cluster, volume, soon())).condition).toMatchObject({ abnormal: true });
    cluster.image('berth-v')!.metadata.set(HOLDER_KEY, '{"version":2}');
    await expect(getVolume(cluster, volume, soon())).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
  });

  it('that is not there is refused', async () => {
    await expect(getVolume(cluster, 'c1/rbd/x', soon())).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_FOUND' });
  });
});

describe('capacity', () => {
  beforeEach(() => {
    const free: Readonly<Record<string, bigint | undefined>> = { rbd: 10n, fast: 3n, ec: 50n };
    cluster.rbd.poolStats = (at) => Promise.resolve({ availableBytes: free[at.pool], storedBytes: 4n });
  });

  it('of everything counts each pool once, however many namespaces it has', async () => {
    const fresh = capacityParts(cluster);
    expect(await availableCapacity(fresh, {}, soon())).toEqual({ available: 13n, largest: 14n });
  });

  it.each<[string, Record<string, string>, bigint]>([
    ['the pool', { pool: 'fast' }, 3n],
    ['the data pool, which is what fills up', { pool: 'fast', dataPool: 'ec' }, 50n],
  ])('of a class is that of %s', async (_what, parameters, available) => {
    const capacity = await availableCapacity(capacityParts(cluster), { clusterID: 'c1', ...parameters }, soon());
    expect(capacity).toEqual({ available, largest: available + 4n });
  });

  it('without figures is none, with no largest volume', async () => {
    cluster.rbd.poolStats = () => Promise.resolve({ availableBytes: undefined, storedBytes: 4n });
    expect(await availableCapacity(capacityParts(cluster), {}, soon())).toEqual({ available: 0n, largest: undefined });
  });

  it('of a class with a typo, or of a pool that is not ours, is refused', async () => {
    const ask = (more: Record<string, string>) =>
      availableCapacity(capacityParts(cluster), { clusterID: 'c1', ...more }, soon());
    await expect(ask({ pol: 'x' })).rejects.toMatchObject({ code: 'BERTH_PARAMETER_UNKNOWN' });
    await expect(ask({ pool: 'foreign' })).rejects.toMatchObject({ code: 'BERTH_POOL_NOT_OURS' });
  });
});
