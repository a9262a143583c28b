/** CreateVolume: one image a name, the same answer for the same request, and a refusal for every other. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { Installation } from '../../../../src/attachment/node-identity.js';
import { berthError } from '../../../../src/model/errors.js';
import { Secret } from '../../../../src/model/secret.js';
import type { CreateRequest } from '../../../../src/volume/controller/create/create-plan.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { DEFAULT_FEATURES } from '../../../../src/volume/image/image-features.js';
import { FILESYSTEM_KEY, parseProvenance } from '../../../../src/volume/image/provenance.js';
import { parseVolumeRecord, VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { memoryCluster, creation, GiB, MiB, mounted, NOW, raw, soon } from './memory-cluster.js';
import { createParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof createParts>;
beforeEach(() => {
  parts = createParts(cluster);
});
const create = (request: CreateRequest) => createVolume(parts, request, soon());

describe('creating a volume', () => {
  it('makes one image with its record, provenance and labels in two calls', async () => {
    const labels = { 'csi.storage.k8s.io/pvc/name': 'data', 'csi.storage.k8s.io/pv/name': 'pvc-1' };
    const made = await create(creation('pvc-1', { parameters: labels }));
    expect(made).toEqual({ volume: 'c1/rbd/berth-pvc-1', sizeBytes: GiB });
    const image = cluster.image('berth-pvc-1')!;
    expect(image.spec).toMatchObject({ sizeBytes: GiB, features: DEFAULT_FEATURES });
    expect(parseVolumeRecord(image.metadata, 'v')).toMatchObject({ version: 1, name: 'pvc-1', created: NOW });
    expect(parseProvenance({ ...image, fsid: cluster.rbd.fsid }, 'v')).toEqual({ state: 'never' });
    expect(image.metadata.get('csi.storage.k8s.io/pvc/name')).toBe('data');
    expect(image.metadata.has(HOLDER_KEY)).toBe(false);
    expect(cluster.rbd.calls.map((one) => one.operation)).toEqual(['poolStats', 'createImage']);
  });

  it.each([
    ['of an installation says so in the record', 'uid-of-a', { installation: 'uid-of-a' }],
    ['of one without a name says nothing', '', {}],
  ])('%s', async (_what, id, expected) => {
    parts = createParts({ ...cluster, installation: new Installation(id) });
    await create(creation('v'));
    const { installation } = parseVolumeRecord(cluster.image('berth-v')!.metadata, 'v')!;
    expect({ installation }).toEqual({ installation: undefined, ...expected });
  });

  it('hands every parameter to Ceph', async () => {
    const parameters = {
      ...{ radosNamespace: 'team', volumeNamePrefix: 'x-', dataPool: 'ec', imageFeatures: 'layering' },
      ...{ objectSize: '8Mi', stripeUnit: '1Mi', stripeCount: '2' },
    };
    const { volume } = await create(creation('v', { parameters }));
    expect(volume).toBe('c1/rbd/team/x-v');
    expect(cluster.image('x-v', 'rbd', 'team')!.spec).toMatchObject({
      ...{ sizeBytes: GiB, features: ['layering'], objectSizeBytes: 8 * 2 ** 20 },
      ...{ stripeUnitBytes: 2 ** 20, stripeCount: 2, dataPool: 'ec' },
    });
  });

  it('twice answers the same and leaves the first as it is', async () => {
    const first = await create(creation('v'));
    const before = new Map(cluster.image('berth-v')!.metadata);
    expect(await create(creation('v'))).toEqual(first);
    expect(cluster.image('berth-v')!.metadata).toEqual(before);
  });

  it('many times at once makes one image, and every caller gets it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(creation('v'))));
    expect(new Set(answers.map((one) => one.volume)).size).toBe(1);
    expect(cluster.rbd.calls.filter((one) => one.operation === 'createImage')).toHaveLength(1);
  });

  it('at two controllers at once makes one image, and both get it', async () => {
    const answers = await Promise.allSettled([
      create(creation('v')),
      createVolume(createParts(cluster), creation('v'), soon()),
    ]);
    expect(answers).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }]);
    expect(parseVolumeRecord(cluster.image('berth-v')!.metadata, 'v')).toMatchObject({ name: 'v' });
    expect(parseProvenance({ ...cluster.image('berth-v')!, fsid: cluster.rbd.fsid }, 'v')).toEqual({ state: 'never' });
  });

  it.each(['é'.repeat(64), '../../x', ' ', 'a/b@c', '💥', 'x'.repeat(128)])('takes any name: %s', async (name) => {
    const { volume } = await create(creation(name));
    expect(volume).toMatch(/^c1\/rbd\/berth-x\.[0-9a-f]{32}$/);
    expect(parseVolumeRecord(cluster.image(volume.slice(7))!.metadata, 'v')?.name).toBe(name);
    expect(await create(creation(name))).toMatchObject({ volume });
  });

  it('with another size, below or above the range, is refused', async () => {
    await create(creation('v'));
    for (const range of [
      { required: 2n * GiB, limit: 0n },
      { required: 0n, limit: GiB - 1n },
    ]) {
      const again = create(creation('v', { range }));
      await expect(again).rejects.toMatchObject({ code: 'BERTH_VOLUME_INCOMPATIBLE', status: 'ALREADY_EXISTS' });
    }
    expect(await create(creation('v', { range: { required: 1n, limit: GiB } }))).toMatchObject({ sizeBytes: GiB });
    expect(await create(creation('v', { range: undefined }))).toMatchObject({ sizeBytes: GiB });
  });

  it.each<[string, Record<string, string>]>([
    ['features', { imageFeatures: 'layering' }],
    ['objectSizeBytes', { objectSize: '8Mi' }],
    ['stripeUnitBytes', { stripeUnit: '1Mi', stripeCount: '2' }],
    ['dataPool', { dataPool: 'ec' }],
    ['mounter', { mounter: 'nbd' }],
    ['mapOptions', { mapOptions: 'x' }],
    ['mkfsOptions', { mkfsOptions: '-m 0' }],
    ['fsType', { fsType: 'xfs' }],
  ])('with another %s is refused', async (what, parameters) => {
    await create(creation('v', { capabilities: [raw] }));
    const again = create(creation('v', { capabilities: [raw], parameters }));
    await expect(again).rejects.toThrow(
      `BERTH_VOLUME_INCOMPATIBLE: volume c1/rbd/berth-v exists with another ${what}: `,
    );
  });

  it('under a prefix and name that only together are the same is refused: it is another volume', async () => {
    await create(creation('bc', { parameters: { volumeNamePrefix: 'a' } }));
    const other = create(creation('c', { parameters: { volumeNamePrefix: 'ab' } }));
    await expect(other).rejects.toThrow(/another name: bc, asked for c/);
  });
});

describe('what is not created', () => {
  it.each<[string, Partial<CreateRequest>, string]>([
    ['no capability', { capabilities: [] }, 'BERTH_FIELD_MISSING'],
    ['contradicting capabilities', { capabilities: [mounted, raw] }, 'BERTH_CAPABILITY_UNSUPPORTED'],
    ['a size below zero', { range: { required: -1n, limit: 0n } }, 'BERTH_FIELD_INVALID'],
    ['an empty range', { range: { required: 0n, limit: 0n } }, 'BERTH_FIELD_INVALID'],
    ['a range upside down', { range: { required: 2n, limit: 1n } }, 'BERTH_SIZE_OUT_OF_RANGE'],
    ['less than ext4 needs', { range: { required: 0n, limit: 4096n } }, 'BERTH_SIZE_OUT_OF_RANGE'],
    ['more than the pool can hold', { range: { required: 2n << 40n, limit: 0n } }, 'BERTH_SIZE_OUT_OF_RANGE'],
    ['a typo', { parameters: { pol: 'x' } }, 'BERTH_PARAMETER_UNKNOWN'],
    ['an unknown cluster', { parameters: { clusterID: 'c2' } }, 'BERTH_CLUSTER_UNKNOWN'],
    ['a pool that is not ours', { parameters: { pool: 'foreign' } }, 'BERTH_POOL_NOT_OURS'],
    ['a namespace that is not ours', { parameters: { pool: 'fast', radosNamespace: 'team' } }, 'BERTH_POOL_NOT_OURS'],
    ['an absent data pool', { parameters: { dataPool: 'gone' } }, 'BERTH_POOL_NOT_FOUND'],
    [
      'an mkfs option of another filesystem',
      { parameters: { mkfsOptions: '--no-such-option' } },
      'BERTH_FIELD_INVALID',
    ],
  ])('%s', async (_what, more, code) => {
    await expect(create(creation('v', more))).rejects.toMatchObject({ code });
    expect(cluster.image('berth-v')).toBeUndefined();
    expect(parts.operations.size).toBe(0);
  });

  it('is measured at the data pool where there is one: it is what the volume fills', async () => {
    cluster.rbd.poolStats = (at) =>
      Promise.resolve({ availableBytes: at.pool === 'ec' ? 100n * GiB : 5n * MiB, storedBytes: 0n });
    expect(await create(creation('v', { parameters: { dataPool: 'ec' } }))).toMatchObject({ sizeBytes: GiB });
    await expect(create(creation('w'))).rejects.toThrow(/pool rbd can hold 5242880 bytes at the very most/);
  });

  it('is not guessed while the manager has no figures', async () => {
    cluster.rbd.stats = { availableBytes: undefined, storedBytes: 0n };
    expect(await create(creation('v', { range: { required: 1n << 50n, limit: 0n } }))).toMatchObject({
      sizeBytes: 1n << 50n,
    });
  });
});

describe('when Ceph fails', () => {
  it.each(['createImage', 'poolStats'] as const)('in %s the error is told and the next try completes', async (op) => {
    cluster.rbd.failNext(op, () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'x' }));
    await expect(create(creation('v'))).rejects.toMatchObject({ code: 'BERTH_CLUSTER_UNREACHABLE' });
    expect(parts.operations.size).toBe(0);
    await create(creation('v'));
    const { metadata } = cluster.image('berth-v')!;
    expect([metadata.has(VOLUME_KEY), metadata.has(FILESYSTEM_KEY)]).toEqual([true, true]);
  });

  it('because the image vanished between "exists" and the look, it is made at once', async () => {
    cluster.rbd.failNext('createImage', () => berthError('BERTH_IMAGE_EXISTS', { image: 'rbd/berth-v' }));
    expect(await create(creation('v'))).toMatchObject({ sizeBytes: GiB });
  });

  it('because images of the name come and go, the caller is told to come again', async () => {
    for (let n = 0; n < 2; n += 1)
      cluster.rbd.failNext('createImage', () => berthError('BERTH_IMAGE_EXISTS', { image: 'rbd/berth-v' }));
    await expect(create(creation('v'))).rejects.toMatchObject({ code: 'BERTH_BUSY', status: 'ABORTED' });
    expect(await create(creation('v'))).toMatchObject({ sizeBytes: GiB });
  });

  it('acts as the user of the request where one is given', async () => {
    const secrets = { user: 'tenant', key: new Secret('k') };
    const users: string[] = [];
    const real = cluster.rbd.createImage.bind(cluster.rbd);
    cluster.rbd.createImage = (at, spec, deadline) => {
      users.push(at.access.user);
      return real(at, spec, deadline);
    };
    await create(creation('v', { secrets }));
    await create(creation('w'));
    expect(users).toEqual(['tenant', 'berth']);
  });
});
