/** CreateSnapshot and DeleteSnapshot over a cluster in memory: names, races, and what a crash leaves at each step. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import { berthError } from '../../../../../src/model/errors.js';
import { parseSnapshotId } from '../../../../../src/model/snapshot/snapshot-id.js';
import { formatGrowth, GROWTH_KEY, type GrowthRecord } from '../../../../../src/volume/image/growth-record.js';
import { deleteVolume } from '../../../../../src/volume/controller/delete/delete-volume.js';
import { listSnapshots } from '../../../../../src/volume/controller/snapshot/list-snapshots.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { createSnapshot } from '../../../../../src/volume/controller/snapshot/create-snapshot.js';
import { deleteSnapshot } from '../../../../../src/volume/controller/snapshot/delete-snapshot.js';
import { getSnapshot } from '../../../../../src/volume/controller/snapshot/get-snapshot.js';
import { SNAPSHOT_NAMES_OBJECT } from '../../../../../src/volume/controller/snapshot/name-record.js';
import type { SnapshotServiceParts } from '../../../../../src/csi/snapshot-calls.js';
import type { RbdPort } from '../../../../../src/rbd/port.js';
import { snapshotsOf } from '../../../../fakes/memory-snapshots.js';
import { creation, GiB, memoryCluster, noSecrets, NOW, place, soon } from '../memory-cluster.js';
import { createParts, deleteParts, snapshotParts } from '../use-case-parts.js';
import { replacing } from './replacing.js';

const cluster = memoryCluster();
let volume = '';
let other = '';
beforeEach(async () => {
  ({ volume } = await createVolume(createParts(cluster), creation('one'), soon()));
  ({ volume: other } = await createVolume(
    createParts(cluster),
    creation('two', { parameters: { pool: 'fast' } }),
    soon(),
  ));
});

const take = (name = 's', of = volume, parts: SnapshotServiceParts = snapshotParts(cluster)) =>
  createSnapshot(parts, { name, volume: of, secrets: noSecrets }, soon());
const remove = (handle: string, parts: SnapshotServiceParts = snapshotParts(cluster)) =>
  deleteSnapshot(parts, handle, noSecrets, soon());
const image = (of = volume) => cluster.image(of.split('/').at(-1)!, of.split('/')[1])!;
const names = (of = volume): readonly string[] => image(of).snapshots;
const registry = () => cluster.clusters.registry('c1', 'controller', soon());
const records = async () => {
  const all = await cluster.rbd.listRecords(await registry(), SNAPSHOT_NAMES_OBJECT, '', 100, soon());
  return new Map([...all].map(([name, text]) => [name, JSON.parse(text) as Record<string, unknown>]));
};
/** What stands in the record while a controller removes what it cut. */
const sayUndoing = async (name = 'berth-snap-s'): Promise<void> => {
  const text = JSON.stringify({ ...(await records()).get(name), undoing: true });
  await cluster.rbd.setRecords(await registry(), SNAPSHOT_NAMES_OBJECT, new Map([[name, text]]), soon());
};
/** The claim of a delete, as DeleteVolume writes it. */
const claimDelete = (of = volume): void => {
  const deleting = [{ client: '10.0.0.1:0/1', since: NOW }];
  image(of).metadata.set(HOLDER_KEY, JSON.stringify({ version: 1, deleting }));
};
const code = (wanted: string) => expect.objectContaining({ code: wanted }) as object;
/** The port, where one call does something else. */
const seeing = (change: Partial<RbdPort>) => ({
  ...snapshotParts(cluster),
  rbd: replacing<RbdPort>(cluster.rbd, change),
});
const died = () => Promise.reject(berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'it' }));

describe('CreateSnapshot', () => {
  it('of a volume whose filesystem may be half grown, before or meanwhile: ABORTED, and nothing stays', async () => {
    const growth: GrowthRecord = {
      ...{ state: 'growing', snapshot: 'berth-growth-1', size: '1', mounts: '1', tries: 1, node: 'n', since: NOW },
    };
    const { metadata, id } = image();
    const text = formatGrowth(growth, volume, { metadata, id, fsid: cluster.rbd.fsid });
    metadata.set(GROWTH_KEY, text);
    await expect(take()).rejects.toEqual(code('BERTH_GROWTH_UNFINISHED'));
    metadata.delete(GROWTH_KEY);
    const cutById: RbdPort['cutById'] = async (...given) => {
      metadata.set(GROWTH_KEY, text);
      return cluster.rbd.cutById(...given);
    };
    await expect(take('s', volume, seeing({ cutById }))).rejects.toEqual(code('BERTH_GROWTH_UNFINISHED'));
    expect([names(), await records()]).toEqual([[], new Map()]);
    metadata.delete(GROWTH_KEY);
    await take();
  });

  it('takes one snapshot of the image, named after the CSI name: handle, source, size and time', async () => {
    const seen = await take('snapshot-1');
    expect(names()).toEqual(['berth-snap-snapshot-1']);
    const [cut] = snapshotsOf(image());
    expect(parseSnapshotId(seen.handle)).toEqual({
      ...{ cluster: 'c1', pool: 'rbd', namespace: '' },
      ...{ imageId: image().id, snapshotId: cut!.id },
    });
    expect(seen).toMatchObject({ volume, sizeBytes: GiB, createdAt: cut!.createdAt });
    expect(await getSnapshot(snapshotParts(cluster), seen.handle, noSecrets, soon())).toEqual(seen);
  });

  it('repeated, and by another controller at the same time: one snapshot, the same answer', async () => {
    const all = await Promise.all([take(), take(), take()]);
    expect(new Set(all.map(({ handle }) => handle)).size).toBe(1);
    expect(await take()).toEqual(all[0]);
    expect(names()).toEqual(['berth-snap-s']);
  });

  it.each(['ж'.repeat(64), 'x'.repeat(128), 'a name, with spaces', '../../etc'])('takes the name %j', async (name) => {
    const seen = await take(name);
    expect(names()[0]).toMatch(/^berth-snap-x\.[0-9a-f]{32}$/);
    expect(await take(name)).toEqual(seen);
  });

  it('refuses the name of another source, also in another pool, until that snapshot has gone', async () => {
    const first = await take('s', other);
    await expect(take()).rejects.toThrow(/BERTH_SNAPSHOT_EXISTS: .*of volume c1\/fast\/berth-two, not of c1\/rbd/);
    expect(names()).toEqual([]);
    await remove(first.handle);
    expect((await take()).volume).toBe(volume);
  });

  it('knows no volume that is not there, of no cluster or pool that is not ours', async () => {
    for (const of of ['x', 'c1/rbd/berth-none', 'c2/rbd/berth-one', 'c1/foreign/berth-one', 'c1/rbd/ns/berth-one']) {
      await expect(take('s', of)).rejects.toEqual(code('BERTH_VOLUME_NOT_FOUND'));
    }
    expect(await records()).toEqual(new Map());
  });

  it.each(['claim name', 'take snapshot', 'look at snapshot', 'write name'] as const)(
    'the controller dies at "%s": the retry succeeds, and nothing is left after a delete',
    async (step) => {
      const dying = {
        'claim name': { compareAndSetRecord: died },
        'take snapshot': { cutById: died },
        'look at snapshot': { snapshotsById: died },
        'write name': {
          compareAndSetRecord: (...given: Parameters<RbdPort['compareAndSetRecord']>) =>
            given[3] === undefined ? cluster.rbd.compareAndSetRecord(...given) : died(),
        },
      }[step] as Partial<RbdPort>;
      await expect(take('s', volume, seeing(dying))).rejects.toEqual(code('BERTH_WORKER_DIED'));
      const seen = await take();
      expect(names()).toEqual(['berth-snap-s']);
      await remove(seen.handle);
      expect([names(), await records()]).toEqual([[], new Map()]);
    },
  );

  it('cut short before the cut: another source waits two minutes, then has the name', async () => {
    await expect(take('s', volume, seeing({ cutById: died }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    await expect(take('s', other)).rejects.toEqual(code('BERTH_SNAPSHOT_PENDING'));
    const later = { ...snapshotParts(cluster), now: () => new Date(Date.parse(NOW) + 121_000) };
    expect((await take('s', other, later)).volume).toBe(other);
    await expect(take()).rejects.toEqual(code('BERTH_SNAPSHOT_EXISTS'));
  });

  it('overtaken by another source while it cuts: its own snapshot goes again', async () => {
    const later = { ...snapshotParts(cluster), now: () => new Date(Date.parse(NOW) + 121_000) };
    const slow = seeing({
      cutById: async (...given) => {
        await take('s', other, later);
        return cluster.rbd.cutById(...given);
      },
    });
    await expect(take('s', volume, slow)).rejects.toEqual(code('BERTH_SNAPSHOT_PENDING'));
    expect([names(), names(other)]).toEqual([[], ['berth-snap-s']]);
  });

  it('refused by Ceph: the name is given back', async () => {
    image().locks = [{ id: 'backup', locker: 'client.8', address: '10.0.0.8:0/1' }];
    await expect(take()).rejects.toEqual(code('BERTH_IMAGE_LOCKED'));
    expect(await records()).toEqual(new Map());
    expect((await take('s', other)).volume).toBe(other);
  });

  it('the volume is being deleted: refused, and what is there already is still the answer', async () => {
    const seen = await take();
    claimDelete();
    expect(await take()).toEqual(seen);
    await expect(take('new')).rejects.toEqual(code('BERTH_VOLUME_DELETING'));
    expect(names()).toEqual(['berth-snap-s']);
    expect([...(await records()).keys()]).toEqual(['berth-snap-s']);
  });

  it('a delete claims the volume while the snapshot is cut: it goes again, for data may be missing', async () => {
    const slow = seeing({
      cutById: async (...given) => {
        claimDelete();
        return cluster.rbd.cutById(...given);
      },
    });
    await expect(take('s', volume, slow)).rejects.toEqual(code('BERTH_VOLUME_DELETING'));
    expect([names(), await records()]).toEqual([[], new Map()]);
  });

  it('dies after the cut, and a delete claims the volume: the retry removes what nobody was told of', async () => {
    await expect(take('s', volume, seeing({ snapshotsById: died }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    claimDelete();
    await expect(take()).rejects.toEqual(code('BERTH_VOLUME_DELETING'));
    expect([names(), await records()]).toEqual([[], new Map()]);
  });

  it('dies while it removes such a cut: the retry removes it, also one for a new volume of that name', async () => {
    await expect(take('s', volume, seeing({ snapshotsById: died }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    await sayUndoing();
    const before = snapshotsOf(image())[0]!.id;
    await take();
    expect(snapshotsOf(image()).map(({ id }) => id)).not.toContain(before);
    expect(names()).toEqual(['berth-snap-s']);
  });

  it('what another controller is removing is never taken for taken', async () => {
    const undoing = seeing({
      snapshotsById: async (...given) => {
        const found = await cluster.rbd.snapshotsById(...given);
        const text = JSON.stringify({ ...(await records()).get('berth-snap-s'), undoing: true });
        await cluster.rbd.setRecords(
          await registry(),
          SNAPSHOT_NAMES_OBJECT,
          new Map([['berth-snap-s', text]]),
          soon(),
        );
        return found;
      },
    });
    await expect(take('s', volume, undoing)).rejects.toEqual(code('BERTH_RECORD_CONTENDED'));
  });

  it('a record of a newer Berth is left alone', async () => {
    const newer = new Map([['berth-snap-s', '{"version":2}']]);
    await cluster.rbd.setRecords(await registry(), SNAPSHOT_NAMES_OBJECT, newer, soon());
    await expect(take()).rejects.toEqual(code('BERTH_RECORD_UNREADABLE'));
    expect(names()).toEqual([]);
  });
});

describe('DeleteSnapshot', () => {
  it('removes snapshot and name, and takes what is not there for deleted', async () => {
    const { handle } = await take();
    for (let times = 0; times < 3; times += 1) await remove(handle);
    expect([names(), await records()]).toEqual([[], new Map()]);
    for (const id of ['x', 'c1/rbd/abc@1', 'c1/rbd/team/abc@1', `${handle}0`, 'non-existing-snapshot-id'])
      await remove(id);
  });

  it('refuses a handle of a place that the clusters file does not list, which may be a mistake in it', async () => {
    await expect(remove('c2/rbd/abc@1')).rejects.toEqual(code('BERTH_CLUSTER_UNKNOWN'));
    await expect(remove('c1/foreign/abc@1')).rejects.toEqual(code('BERTH_POOL_NOT_OURS'));
  });

  it('neither removes nor shows a snapshot that somebody else made', async () => {
    image().snapshots.push('before-lunch');
    const [made] = snapshotsOf(image());
    const handle = `c1/rbd/${image().id}@${made!.id}`;
    await remove(handle);
    expect(names()).toEqual(['before-lunch']);
    await expect(getSnapshot(snapshotParts(cluster), handle, noSecrets, soon())).rejects.toEqual(
      code('BERTH_SNAPSHOT_NOT_FOUND'),
    );
  });

  it('has clones: goes to the trash, is gone for everybody, and its name is free', async () => {
    const { handle } = await take();
    const [cut] = snapshotsOf(image());
    image().cuts.set(cut!.name, { ...cut!, cloneCount: 1 });
    await remove(handle);
    await remove(handle);
    expect(snapshotsOf(image()).map(({ kind }) => kind)).toEqual(['trash']);
    await expect(getSnapshot(snapshotParts(cluster), handle, noSecrets, soon())).rejects.toEqual(
      code('BERTH_SNAPSHOT_NOT_FOUND'),
    );
    expect((await take('s', other)).volume).toBe(other);
  });

  it.each(['forget name', 'remove snapshot'] as const)('dies at "%s": the retry ends it', async (step) => {
    const { handle } = await take();
    const dying = { 'forget name': { compareAndSetRecord: died }, 'remove snapshot': { removeSnapshotById: died } }[
      step
    ];
    await expect(remove(handle, seeing(dying))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    expect(names()).toEqual(['berth-snap-s']);
    await remove(handle);
    expect([names(), await records()]).toEqual([[], new Map()]);
  });

  it('refused by Ceph: the name stays taken', async () => {
    const { handle } = await take();
    image().locks = [{ id: 'backup', locker: 'client.8', address: '10.0.0.8:0/1' }];
    await expect(remove(handle)).rejects.toEqual(code('BERTH_IMAGE_LOCKED'));
    await expect(take('s', other)).rejects.toEqual(code('BERTH_SNAPSHOT_EXISTS'));
  });

  it('refused as another controller removes it, or beside one that is refused: its name goes as well', async () => {
    const first = await take();
    const { removeSnapshotById } = cluster.rbd;
    const busy: RbdPort['removeSnapshotById'] = async (...given) => {
      await removeSnapshotById(...given);
      throw berthError('BERTH_IMAGE_BUSY', { image: 'berth-one', why: 'it is being removed' });
    };
    await remove(first.handle, seeing({ removeSnapshotById: busy }));
    expect([names(), await records()]).toEqual([[], new Map()]);

    const second = await take();
    // The other one has taken the name, is refused, and gives it back before this one is through.
    const beside: Partial<RbdPort> = {
      getRecords: () => Promise.resolve(new Map<string, string>()),
      removeSnapshotById: (...given) => {
        delete beside.getRecords;
        return removeSnapshotById(...given);
      },
    };
    await remove(second.handle, seeing(beside));
    expect([names(), await records()]).toEqual([[], new Map()]);
  });

  it('its volume is deleted and moved aside: found by the id of the image, listed, and deleted', async () => {
    const seen = await take();
    await deleteVolume(deleteParts(cluster), volume, noSecrets, soon());
    expect(cluster.image('berth-one')).toBeUndefined();
    const parts = snapshotParts(cluster);
    expect(await getSnapshot(parts, seen.handle, noSecrets, soon())).toEqual(seen);
    const asked = { maxEntries: 0, startingToken: '', snapshot: '', secrets: noSecrets };
    for (const of of ['', volume])
      expect(await listSnapshots(parts, { ...asked, volume: of }, soon())).toEqual({
        snapshots: [seen],
        nextToken: '',
      });
    expect(await take()).toEqual(seen);
    await remove(seen.handle, parts);
    // Nothing waits for the image any more: it goes with its last snapshot.
    await parts.purges.idle();
    expect(await cluster.rbd.list(place(), 'berth-deleted-', 10, soon())).not.toContainEqual(
      expect.objectContaining({ name: expect.stringMatching(/^berth-deleted-/) as string }),
    );
    await expect(take()).rejects.toEqual(code('BERTH_VOLUME_NOT_FOUND'));
    expect(await records()).toEqual(new Map());
  });
});
