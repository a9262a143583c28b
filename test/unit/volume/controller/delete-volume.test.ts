/** DeleteVolume: gone is gone, in use is not deleted, and what is not ours is never deleted. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../src/model/errors.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { deleteVolume } from '../../../../src/volume/controller/delete/delete-volume.js';
import { expandVolume } from '../../../../src/volume/controller/expand-volume.js';
import { DELETED_KEY, type DeletedRecord } from '../../../../src/volume/controller/delete/deleted-record.js';
import { deletedName } from '../../../../src/volume/image/image-name.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { UNDER_WAY_MS } from '../../../../src/volume/controller/create/interrupted-create.js';
import type { MemoryImage } from '../../../fakes/rbd-memory.js';
import { memoryCluster, creation, GiB, mounted, noSecrets, NOW, soon, place } from './memory-cluster.js';
import { attachParts, createParts, deleteParts, expandParts } from './use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof deleteParts>;
beforeEach(() => {
  parts = deleteParts(cluster);
});
const attach = async (): Promise<void> => {
  const parts = attachParts(cluster);
  const request = { volume: 'c1/rbd/berth-v', node: 'a', capability: mounted, readOnly: true, secrets: noSecrets };
  const registered = { version: 1, node: 'a', bootId: 'b', driver: '0', mappers: [], seen: '' } as const;
  await parts.nodes.register(place(), registered, soon());
  await attachVolume(parts, request, soon());
};
const expand = () => {
  const range = { required: 2n * GiB, limit: 0n };
  return expandVolume(expandParts(cluster), { volume: 'c1/rbd/berth-v', range, secrets: noSecrets }, soon());
};
const remove = (volume = 'c1/rbd/berth-v') => deleteVolume(parts, volume, noSecrets, soon());
let image: MemoryImage;
const subject = () => ({ image: 'rbd/berth-v', imageId: image.id, fsid: cluster.rbd.fsid });

beforeEach(async () => {
  await createVolume(createParts(cluster), creation('v'), soon());
  image = cluster.image('berth-v')!;
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await parts.purges.stop();
});

describe('deleting a volume', () => {
  it('moves the image aside at once, whatever is in it, and a second time is a success', async () => {
    vi.spyOn(parts.purges, 'begin').mockReturnValue();
    await remove();
    expect(cluster.image('berth-v')).toBeUndefined();
    const aside = cluster.image(deletedName(image.id));
    expect(aside).toBe(image);
    const record = JSON.parse(image.metadata.get(DELETED_KEY)!) as DeletedRecord;
    expect(record).toEqual({ version: 1, at: NOW, volume: 'c1/rbd/berth-v', ...subject() });
    await remove();
    expect(cluster.image(deletedName(image.id))).toBe(aside);
  });

  it('costs eight OSD operations, none of them an open or a removal', async () => {
    vi.spyOn(parts.purges, 'begin').mockReturnValue();
    cluster.rbd.calls.length = 0;
    await remove();
    const asked = ['head', 'identify', 'compareAndSet', 'usersOf', 'compareAndSet', 'rename'];
    expect(cluster.rbd.calls.map(({ operation }) => operation)).toEqual(asked);
  });

  it('leaves its data to a purge, which begins at once', async () => {
    await remove();
    await parts.purges.idle();
    expect(cluster.image(deletedName(image.id))).toBeUndefined();
  });

  it.each<[string, (one: MemoryImage) => void]>([
    ['cloned', (one) => void (one.snapshots.push('a-name-of-the-trash'), one.clones.push('rbd/child'))],
    ['snapshotted', (one) => one.snapshots.push('a', 'b')],
  ])('that is %s succeeds at once, and its name is free; the image stays aside', async (_what, change) => {
    change(image);
    await remove();
    await parts.purges.idle();
    expect(cluster.image(deletedName(image.id))).toBe(image);
    await createVolume(createParts(cluster), creation('v'), soon());
    expect(cluster.image('berth-v')).not.toBe(image);
    await remove();
    image.snapshots.length = 0;
    parts.purges.lookAgain('c1', image.id);
    await parts.purges.idle();
    expect(cluster.image(deletedName(image.id))).toBeUndefined();
  });

  it('is kept for as long as its StorageClass says', async () => {
    const kept = { deleteRetention: '72h' };
    await createVolume(createParts(cluster), creation('kept', { parameters: kept }), soon());
    const { id, metadata } = cluster.image('berth-kept')!;
    await remove('c1/rbd/berth-kept');
    await parts.purges.idle();
    expect(cluster.image(deletedName(id))).toBeDefined();
    const { keepUntil } = JSON.parse(metadata.get(DELETED_KEY)!) as DeletedRecord;
    expect(Date.parse(keepUntil!) - Date.parse(NOW)).toBe(72 * 3_600_000);
  });

  it.each(['fake-vol-id', 'c1/rbd', 'c1/rbd/../x', 'c1/rbd/never-was', 'x'.repeat(500), '💥'])(
    'that cannot be there is a success: %s',
    async (volume) => {
      await remove(volume);
      expect(cluster.rbd.calls.some((one) => one.operation === 'remove')).toBe(false);
    },
  );

  it.each([
    ['c2/rbd/berth-v', 'BERTH_CLUSTER_UNKNOWN'],
    ['c1/foreign/berth-v', 'BERTH_POOL_NOT_OURS'],
    ['c1/fast/team/berth-v', 'BERTH_POOL_NOT_OURS'],
  ])('whose place the clusters file lost is an error, for OK would leave it behind: %s', async (volume, code) => {
    await expect(remove(volume)).rejects.toMatchObject({ code });
  });

  it('whose pool is gone is a success: the cluster itself says so, and it would never end', async () => {
    cluster.rbd.failNext('head', () => berthError('BERTH_POOL_NOT_FOUND', { pool: 'rbd', cluster: 'c1' }));
    await remove();
    expect(cluster.rbd.calls.some((one) => one.operation === 'remove')).toBe(false);
  });

  it('finishes what an earlier delete left, of which no image tells any more', async () => {
    await remove();
    cluster.rbd.cutShort.add('rbd/berth-v');
    cluster.rbd.failNext('finishInterruptedRemoval', () =>
      berthError('BERTH_IMAGE_BUSY', { image: 'rbd/berth-v', why: 'watched' }),
    );
    await expect(remove()).rejects.toMatchObject({ code: 'BERTH_IMAGE_BUSY' });
    await remove();
    expect(cluster.rbd.cutShort.size).toBe(0);
  });

  it('clears away what a create left that died before there was a header, when none can be under way', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    cluster.rbd.halve(cluster.at('berth-v'));
    await expect(remove()).rejects.toMatchObject({ code: 'BERTH_IMAGE_UNFINISHED', status: 'ABORTED' });
    vi.advanceTimersByTime(UNDER_WAY_MS + 1);
    await remove();
    expect(await cluster.rbd.interruptedCreate(cluster.at('berth-v'), soon())).toBeUndefined();
  });

  it('many times at once moves and removes it once', async () => {
    await Promise.all(Array.from({ length: 5 }, () => remove()));
    await parts.purges.idle();
    expect(cluster.rbd.calls.filter((one) => one.operation === 'remove')).toHaveLength(1);
  });

  it.each<[string, (one: MemoryImage) => void, string, RegExp]>([
    [
      'attached',
      (one) =>
        one.metadata.set(
          HOLDER_KEY,
          JSON.stringify({
            ...{ version: 1, mode: 'SINGLE_NODE_WRITER', access: 'block', readOnly: false },
            holders: [{ node: 'node-7', since: 'x', by: 'controller' }],
          }),
        ),
      'BERTH_VOLUME_IN_USE',
      /node node-7 \(attached\)/,
    ],
    [
      'held by nobody knows whom',
      (one) => one.metadata.set(HOLDER_KEY, '{"version":2}'),
      'BERTH_RECORD_UNREADABLE',
      /version 2/,
    ],
    [
      'open',
      (one) => one.watchers.push({ address: '10.1.1.1:0/9', client: 9n }),
      'BERTH_VOLUME_IN_USE',
      /10\.1\.1\.1:0\/9/,
    ],
    [
      'in a group',
      (one) => void (one.group = 'grp'),
      'BERTH_IMAGE_IN_GROUP',
      /rbd group image rm rbd\/grp rbd\/berth-v/,
    ],
    [
      'locked',
      (one) => one.locks.push({ id: 'mine', locker: 'client.8', address: '10.1.1.1:0/9' }),
      'BERTH_IMAGE_LOCKED',
      /rbd lock rm rbd\/berth-v 'mine' client\.8/,
    ],
    ['not ours', (one) => one.metadata.delete(VOLUME_KEY), 'BERTH_DELETE_REFUSED', /Berth did not make this image/],
    [
      'of a newer Berth',
      (one) => one.metadata.set(VOLUME_KEY, '{"version":2}'),
      'BERTH_RECORD_UNREADABLE',
      /version 2/,
    ],
  ])('that is %s is refused and stays', async (_what, change, code, why) => {
    change(image);
    await expect(remove()).rejects.toMatchObject({ code, status: 'FAILED_PRECONDITION' });
    await expect(remove()).rejects.toThrow(why);
    expect(cluster.image('berth-v')).toBe(image);
  });

  it('keeps everybody out from before it is moved, also whom Ceph would not show', async () => {
    const real = cluster.rbd.rename.bind(cluster.rbd);
    let late: unknown;
    vi.spyOn(cluster.rbd, 'rename').mockImplementationOnce(async (...args) => {
      late = await attach().catch((error: unknown) => error);
      return real(...args);
    });
    await remove();
    expect(late).toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
  });

  it('that only the purge worker of the same controller has open is moved aside', async () => {
    vi.spyOn(parts.purges, 'begin').mockReturnValue();
    image.watchers.push({ address: cluster.rbd.instance, client: 4n });
    await remove();
    expect(cluster.image(deletedName(image.id))).toBe(image);
  });

  it('that the purge worker has open, and somebody else: names the other alone', async () => {
    image.watchers.push({ address: cluster.rbd.instance, client: 4n }, { address: '10.1.1.1:0/9', client: 9n });
    const refused = remove();
    await expect(refused).rejects.toMatchObject({ code: 'BERTH_VOLUME_IN_USE' });
    await expect(refused).rejects.not.toThrow(new RegExp(cluster.rbd.instance));
  });

  it('that somebody has open gives its claim back: the volume can be used again', async () => {
    image.watchers.push({ address: '10.1.1.1:0/9', client: 9n });
    await expect(remove()).rejects.toMatchObject({ code: 'BERTH_VOLUME_IN_USE' });
    expect(image.metadata.has(DELETED_KEY)).toBe(false);
    await attach();
  });

  it('whose user is a client of a node is told by which node', async () => {
    const node = { version: 1, node: 'worker-3', bootId: 'b', driver: '0', mappers: [], seen: '' } as const;
    const parts = attachParts(cluster);
    await parts.nodes.register(place(), { ...node, clients: ['10.1.1.1:0/9'] }, soon());
    image.watchers.push({ address: '10.1.1.1:0/9', client: 9n });
    await expect(remove()).rejects.toThrow(/in use by client\.9 at 10\.1\.1\.1:0\/9 \(node worker-3\)/);
  });

  it.each(['usersOf', 'rename'] as const)(
    'of which nobody knows how its %s ended keeps its claim, and the next one goes on from it',
    async (operation) => {
      cluster.rbd.failNext(operation, () => berthError('BERTH_DEADLINE', { what: operation, ms: 1 }));
      await expect(remove()).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
      await expect(attach()).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
      await expect(expand()).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
      const again = createVolume(createParts(cluster), creation('v'), soon());
      await expect(again).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
      image.watchers.push({ address: '10.1.1.1:0/9', client: 9n });
      await expect(remove()).rejects.toMatchObject({ code: 'BERTH_VOLUME_IN_USE' });
      // What the first one began may still come true.
      await expect(attach()).rejects.toMatchObject({ code: 'BERTH_VOLUME_DELETING' });
      image.watchers.length = 0;
      await remove();
      expect(cluster.image('berth-v')).toBeUndefined();
    },
  );

  it.each(['usersOf', 'compareAndSet', 'rename'] as const)(
    'that another controller finished before its %s is a success',
    async (operation) => {
      const gone = operation === 'rename' ? undefined : berthError('BERTH_IMAGE_NOT_FOUND', { image: 'berth-v' });
      const spy = vi.spyOn(cluster.rbd, operation);
      if (gone === undefined) spy.mockResolvedValueOnce(false);
      else spy.mockRejectedValueOnce(gone);
      await remove();
    },
  );
});
