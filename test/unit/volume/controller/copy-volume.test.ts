/** CreateVolume from a source: what is cut short is finished or made anew, and two who ask get one volume. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { berthError, type ErrorCode } from '../../../../src/model/errors.js';
import type { PortOperation } from '../../../../src/rbd/port-operations.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { imageSpec } from '../../../../src/model/volume-id.js';
import {
  COPY_UNDER_WAY_MS,
  SKEW_MS,
  UNDER_WAY_MS,
} from '../../../../src/volume/controller/create/interrupted-create.js';
import { GUEST_KEY } from '../../../../src/volume/image/guest-mark.js';
import { FILESYSTEM_KEY, formatProvenance, parseProvenance } from '../../../../src/volume/image/provenance.js';
import { parseVolumeRecord, type ContentSource } from '../../../../src/volume/image/volume-record.js';
import { refused } from '../../../integration/rbd/port.contract.js';
import { creation, GiB, memoryCluster, soon } from './memory-cluster.js';
import { createParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof createParts>;
let volume: ContentSource;
let snapshot: ContentSource;

beforeEach(async () => {
  vi.useRealTimers();
  parts = createParts(cluster);
  volume = { kind: 'volume', id: (await createVolume(parts, creation('origin'), soon())).volume };
  const { id } = cluster.image('berth-origin')!;
  const cut = await cluster.rbd.createSnapshot(cluster.at('berth-origin'), 'berth-snap-a', soon());
  snapshot = { kind: 'snapshot', id: `c1/rbd/${id}@${cut}` };
});

const copy = (source: ContentSource, name = 'copy', by = parts) =>
  createVolume(by, { ...creation(name), range: undefined, source }, soon());
const cuts = (): readonly string[] =>
  cluster.image('berth-origin')!.snapshots.filter((name) => name.startsWith('berth-clone-'));
const failNext = (operation: PortOperation, code: ErrorCode = 'BERTH_WORKER_DIED'): void =>
  cluster.rbd.failNext(operation, () => berthError(code, { what: operation }));
const operations = (): readonly PortOperation[] => cluster.rbd.calls.map(({ operation }) => operation);

describe('a copy', () => {
  it('costs six calls, of a volume seven; of a clone one more for each image of its chain', async () => {
    cluster.rbd.calls.length = 0;
    await copy(snapshot);
    const restored = ['head', 'snapshotById', 'nameById', 'cloneImage', 'cloneById', 'changeMetadata'];
    expect(operations()).toEqual(restored);
    cluster.rbd.calls.length = 0;
    await copy(volume, 'clone');
    const made = ['head', 'head', 'cutById', 'cloneImage', 'cloneById'];
    const cloned = [...made, 'trashSnapshot', 'changeMetadata'];
    expect(operations()).toEqual(cloned);
    cluster.rbd.calls.length = 0;
    await copy({ kind: 'volume', id: 'c1/rbd/berth-clone' }, 'clone-of-clone');
    expect(operations()).toEqual([...made, 'trashSnapshot', 'cloneById', 'cloneById', 'changeMetadata']);
    expect(cuts()).toEqual([]);
  });

  it.each([
    ['never', { state: 'never' }, { state: 'never' }],
    ['raw', { state: 'raw' }, { state: 'raw' }],
    [
      'formatted',
      { state: 'formatted', type: 'xfs', uuid: 'u', copied: true, nextUuid: 'n' },
      { state: 'formatted', type: 'xfs', uuid: 'u', copied: true },
    ],
    [
      'formatting',
      { state: 'formatting', type: 'xfs', uuid: 'u', node: 'n' },
      { state: 'formatting', type: 'xfs', uuid: 'u', node: 'n' },
    ],
  ] as const)('of what is %s inherits that, the guest mark, and nothing else', async (_, have, want) => {
    const origin = cluster.image('berth-origin')!;
    const own = { id: origin.id, fsid: cluster.rbd.fsid };
    origin.metadata.set(FILESYSTEM_KEY, formatProvenance(have, volume.id, own));
    for (const key of [HOLDER_KEY, GUEST_KEY, 'berth.dev/later', 'csi.storage.k8s.io/pv/name', 'site/note'])
      origin.metadata.set(key, 'of the source');
    const { volume: made } = await copy(snapshot);
    const image = cluster.image('berth-copy')!;
    expect(parseProvenance({ ...image, fsid: cluster.rbd.fsid }, made)).toMatchObject(want);
    expect([...image.metadata.keys()].sort()).toEqual([FILESYSTEM_KEY, GUEST_KEY, 'berth.dev/volume', 'site/note']);
    expect(parseVolumeRecord(image.metadata, made)).toMatchObject({ imageId: image.id, source: snapshot });
    expect(image.metadata.get(FILESYSTEM_KEY)).not.toContain('nextUuid');
  });

  it('is one, whoever of two controllers is first at each step', async () => {
    for (const source of [snapshot, volume]) {
      for (let round = 0; round < 100; round += 1) {
        const name = `${source.kind}-${round}`;
        const asked = [copy(source, name), copy(source, name, createParts(cluster))];
        const answers = await Promise.allSettled(asked);
        for (const answer of answers) {
          const volume = `c1/rbd/berth-${name}`;
          if (answer.status === 'fulfilled') expect(answer.value).toEqual({ volume, sizeBytes: GiB });
          else expect(answer.reason).toMatchObject({ status: 'ABORTED' });
        }
        expect(await copy(source, name)).toMatchObject({ sizeBytes: GiB });
      }
    }
    expect(cuts()).toEqual([]);
  });

  it.each(['cutById', 'cloneImage', 'cloneById', 'trashSnapshot', 'changeMetadata'] as const)(
    'that ends before %s is finished by the next call, and leaves no cut',
    async (operation) => {
      failNext(operation);
      await refused(copy(volume), 'BERTH_WORKER_DIED');
      expect(await copy(volume)).toMatchObject({ sizeBytes: GiB });
      expect(cuts()).toEqual([]);
    },
  );

  it('that Ceph refuses for good leaves no cut', async () => {
    failNext('cloneImage', 'BERTH_CEPH_DENIED');
    await refused(copy(volume), 'BERTH_CEPH_DENIED');
    expect(cuts()).toEqual([]);
  });

  it('whose snapshot goes while it is made is not found', async () => {
    failNext('cloneImage', 'BERTH_IMAGE_NOT_FOUND');
    cluster.image('berth-origin')!.snapshots = [];
    await refused(copy(snapshot), 'BERTH_SOURCE_NOT_FOUND');
  });
});

describe('an image of its name without a record', () => {
  const halfMade = async () => {
    failNext('cloneById');
    await refused(copy(snapshot), 'BERTH_WORKER_DIED');
    return cluster.image('berth-copy')!;
  };

  it('is left alone while somebody has it open', async () => {
    const image = await halfMade();
    image.watchers = [{ address: '10.0.0.7:0/1', client: 7n }];
    await refused(copy(snapshot), 'BERTH_COPY_UNFINISHED');
    image.watchers = [];
    await copy(snapshot);
    expect(cluster.image('berth-copy')).toBe(image);
  });

  it.each([
    [
      'does not know of it',
      (image: { standsOn: { isLinked: boolean } | undefined }) => {
        image.standsOn!.isLinked = false;
      },
    ],
    [
      'is not its parent yet',
      (image: { standsOn: object | undefined; parent: string | undefined; metadata: Map<string, string> }) => {
        image.standsOn = undefined;
        image.parent = undefined;
        image.metadata.clear();
      },
    ],
  ] as const)('is made anew where its snapshot %s, when nobody can be at it any more', async (_, cutShort) => {
    const image = await halfMade();
    cutShort(image);
    await refused(copy(snapshot), 'BERTH_COPY_UNFINISHED');
    expect(cluster.image('berth-copy')).toBe(image);
    const later = performance.now() + UNDER_WAY_MS;
    const clock = vi.spyOn(performance, 'now').mockReturnValue(later);
    try {
      await copy(snapshot);
    } finally {
      clock.mockRestore();
    }
    expect(cluster.image('berth-copy')?.id).not.toBe(image.id);
  });

  it('is made anew by a controller that has just begun, where its name is older than any clone takes', async () => {
    const image = await halfMade();
    image.standsOn!.isLinked = false;
    const agedMs = (ms: number) => cluster.rbd.names.written.set(imageSpec(cluster.at('berth-copy')), Date.now() - ms);
    const most = UNDER_WAY_MS + SKEW_MS + COPY_UNDER_WAY_MS;
    agedMs(most - 60_000);
    await refused(copy(snapshot), 'BERTH_COPY_UNFINISHED');
    expect(cluster.image('berth-copy')).toBe(image);
    agedMs(most);
    await copy(snapshot);
    expect(cluster.image('berth-copy')?.id).not.toBe(image.id);
  });

  it('is no stranger’s while another controller is making it: open without a parent, or with one since', async () => {
    const image = await halfMade();
    const { standsOn, parent } = image;
    image.metadata.clear();
    image.standsOn = undefined;
    image.watchers = [{ address: '10.0.0.7:0/1', client: 7n }];
    await refused(copy(snapshot), 'BERTH_COPY_UNFINISHED');
    image.watchers = [];
    // Its parent has come between two looks.
    expect(parent).toBeDefined();
    await refused(copy(snapshot), 'BERTH_COPY_UNFINISHED');
    image.standsOn = standsOn;
    expect(await copy(snapshot)).toMatchObject({ sizeBytes: GiB });
    expect(cluster.image('berth-copy')).toBe(image);
  });

  it('is refused where it holds data, or stands on something else', async () => {
    const image = await halfMade();
    image.written = true;
    await refused(copy(snapshot), 'BERTH_IMAGE_FOREIGN');
    image.written = false;
    await refused(copy({ kind: 'snapshot', id: snapshot.id.replace(/\d+$/, '4711') }), 'BERTH_IMAGE_FOREIGN');
    await refused(copy(volume), 'BERTH_IMAGE_FOREIGN');
  });
});
