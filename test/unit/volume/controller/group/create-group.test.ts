/** Group snapshots over a cluster in memory: names, races, and what a crash leaves at each step. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import type { GroupServiceParts } from '../../../../../src/csi/group-controller-service.js';
import { berthError } from '../../../../../src/model/errors.js';
import type { RbdPort } from '../../../../../src/rbd/port.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { deleteVolume } from '../../../../../src/volume/controller/delete/delete-volume.js';
import { createGroup } from '../../../../../src/volume/controller/group/create-group.js';
import { deleteGroup } from '../../../../../src/volume/controller/group/delete-group.js';
import { getGroup } from '../../../../../src/volume/controller/group/get-group.js';
import { GROUPS_OBJECT } from '../../../../../src/volume/controller/group/group-record.js';
import { deleteSnapshot } from '../../../../../src/volume/controller/snapshot/delete-snapshot.js';
import { getSnapshot } from '../../../../../src/volume/controller/snapshot/get-snapshot.js';
import { listSnapshots } from '../../../../../src/volume/controller/snapshot/list-snapshots.js';
import { creation, memoryCluster, noSecrets, NOW, soon } from '../memory-cluster.js';
import { replacing } from '../snapshot/replacing.js';
import { createParts, deleteParts, snapshotParts } from '../use-case-parts.js';

const cluster = memoryCluster();
let one = '';
let two = '';
let three = '';
beforeEach(async () => {
  const make = async (name: string, pool = 'rbd') =>
    (await createVolume(createParts(cluster), creation(name, { parameters: { pool } }), soon())).volume;
  [one, two, three] = [await make('one'), await make('two', 'fast'), await make('three')];
});

const parts = (): GroupServiceParts => ({ ...snapshotParts(cluster), longWork: cluster.rbd });
const take = (volumes: readonly string[] = [one, two], name = 'g', by = parts()) =>
  createGroup(by, { name, volumes, secrets: noSecrets }, soon());
const get = (handle: string, named: readonly string[] = []) => getGroup(parts(), handle, named, noSecrets, soon());
const remove = (handle: string, named: readonly string[] = [], by = parts()) =>
  deleteGroup(by, handle, named, noSecrets, soon());
const image = (of: string) => cluster.image(of.split('/').at(-1)!, of.split('/')[1])!;
const cuts = () => [one, two, three].flatMap((of) => image(of).snapshots);
const registry = () => cluster.clusters.registry('c1', 'controller', soon());
const records = async () => {
  const all = await cluster.rbd.listRecords(await registry(), GROUPS_OBJECT, '', 100, soon());
  return [...all].map(([name, text]) => [name, (JSON.parse(text) as { state: string }).state]);
};
const code = (wanted: string) => expect.objectContaining({ code: wanted }) as object;
/** The port, where one call does something else. */
const seeing = (change: Partial<RbdPort>) => {
  const rbd = replacing<RbdPort>(cluster.rbd, change);
  return { ...parts(), rbd, longWork: rbd };
};
const died = () => Promise.reject(berthError('BERTH_WORKER_DIED', { how: 'SIGKILL', what: 'it' }));
const claimDelete = (of: string): void => {
  const deleting = [{ client: '10.0.0.1:0/1', since: NOW }];
  image(of).metadata.set(HOLDER_KEY, JSON.stringify({ version: 1, deleting }));
};
/** Nothing cut, no record, and the next try has what was asked for. */
async function endsWell(volumes: readonly string[] = [one, two]): Promise<void> {
  const seen = await take(volumes);
  expect(seen.snapshots.map(({ volume }) => volume)).toEqual([...volumes].sort());
  expect(cuts()).toHaveLength(volumes.length);
  await remove(seen.handle);
  expect([cuts(), await records()]).toEqual([[], []]);
}

describe('CreateVolumeGroupSnapshot', () => {
  it('cuts all in one call of Ceph, and answers a member for each with the handle of the group', async () => {
    const seen = await take();
    expect(cluster.rbd.calls.filter(({ operation }) => operation === 'cutTogether')).toHaveLength(1);
    expect(seen.handle).toMatch(/^c1\/berth-group-g\.[0-9a-f]{8}$/);
    expect(seen.snapshots.map(({ volume, group }) => [volume, group])).toEqual(
      [one, two].sort().map((volume) => [volume, seen.handle]),
    );
    for (const member of seen.snapshots)
      expect(await getSnapshot(snapshotParts(cluster), member.handle, noSecrets, soon())).toEqual(member);
    const asked = { maxEntries: 0, startingToken: '', volume: '', snapshot: '', secrets: noSecrets };
    const { snapshots } = await listSnapshots(snapshotParts(cluster), asked, soon());
    expect(new Set(snapshots.map(({ group }) => group))).toEqual(new Set([seen.handle]));
  });

  it('repeated, in another order and by another controller at the same time: one group, one answer', async () => {
    const all = await Promise.all([take(), take([two, one]), take()]);
    expect(new Set(all.map(({ handle }) => handle)).size).toBe(1);
    expect(await take([two, one])).toEqual(all[0]);
    expect([cuts().length, await records()]).toEqual([2, [['berth-group-g', 'taken']]]);
  });

  it('the same name with other sources: refused, until the group has gone', async () => {
    const { handle } = await take();
    await expect(take([one])).rejects.toEqual(code('BERTH_GROUP_EXISTS'));
    await expect(take([one, three])).rejects.toThrow(/ALREADY|BERTH_GROUP_EXISTS/);
    await remove(handle);
    expect((await take([one, three])).handle).not.toBe(handle);
  });

  it.each(['ж'.repeat(64), 'x'.repeat(128), 'a name, with spaces', '../../etc'])('takes the name %j', async (name) => {
    const seen = await take([one], name);
    expect(Buffer.byteLength(seen.handle)).toBeLessThanOrEqual(128);
    expect(await take([one], name)).toEqual(seen);
    expect(await get(seen.handle)).toEqual(seen);
  });

  it('refuses what it does not know, names twice, or cannot cut at one moment; nothing stays', async () => {
    for (const of of ['x', 'c1/rbd/berth-none', 'c2/rbd/berth-one', 'c1/foreign/berth-one'])
      await expect(take([one, of])).rejects.toEqual(code('BERTH_VOLUME_NOT_FOUND'));
    await expect(take([one, one])).rejects.toEqual(code('BERTH_FIELD_INVALID'));
    const unfit = () => Promise.reject(berthError('BERTH_GROUP_UNFIT', { what: 'i', why: 'w' }));
    await expect(take([one, two], 'g', seeing({ cutTogether: unfit }))).rejects.toEqual(code('BERTH_GROUP_UNFIT'));
    image(two).locks = [{ id: 'backup', locker: 'client.8', address: '10.0.0.8:0/1' }];
    await expect(take()).rejects.toEqual(code('BERTH_IMAGE_LOCKED'));
    expect([cuts(), await records()]).toEqual([[], []]);
    image(two).locks = [];
    await endsWell();
  });

  it('a cut that failed half way: what was cut goes at once, and it is tried three times', async () => {
    let tries = 0;
    const half: RbdPort['cutTogether'] = async (access, images, ...more) => {
      tries += 1;
      await cluster.rbd.cutTogether(access, images.slice(0, 1), ...more);
      throw berthError('BERTH_GROUP_NOT_HELD', { why: 'busy' });
    };
    await expect(take([one, two], 'g', seeing({ cutTogether: half }))).rejects.toEqual(code('BERTH_GROUP_NOT_HELD'));
    expect([tries, cuts(), await records()]).toEqual([3, [], []]);
  });

  it('could not be held, for another controller is at the same group: the answer is what that one makes', async () => {
    const notHeld = seeing({
      cutTogether: async () => {
        await take();
        throw berthError('BERTH_GROUP_NOT_HELD', { why: 'busy' });
      },
    });
    expect(await take([one, two], 'g', notHeld)).toEqual(await take());
    expect(cuts()).toHaveLength(2);
  });

  it('the worker dies in the cut: the record stays, and the retry removes what was cut', async () => {
    const half: RbdPort['cutTogether'] = async (access, images, ...more) => {
      await cluster.rbd.cutTogether(access, images.slice(0, 1), ...more);
      return died();
    };
    await expect(take([one, two], 'g', seeing({ cutTogether: half }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    expect([cuts().length, await records()]).toEqual([1, [['berth-group-g', 'taking']]]);
    await expect(take([one, three])).rejects.toEqual(code('BERTH_GROUP_PENDING'));
    await endsWell();
  });

  it('cut short and lapsed: other sources take the name over, and what was left of it goes', async () => {
    await expect(take([one, two], 'g', seeing({ snapshotById: died }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    expect(cuts()).toHaveLength(0);
    const half: RbdPort['cutTogether'] = async (...given) => {
      await cluster.rbd.cutTogether(...given);
      return died();
    };
    await expect(take([one, two], 'g', seeing({ cutTogether: half }))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    expect(cuts()).toHaveLength(2);
    const later = { ...parts(), now: () => new Date(Date.parse(NOW) + 31_000) };
    const seen = await take([three], 'g', later);
    expect(cuts()).toHaveLength(1);
    await remove(seen.handle);
    expect([cuts(), await records()]).toEqual([[], []]);
  });

  it('overtaken while it cuts: its own snapshots go, and the answer is the other one', async () => {
    const slow = seeing({
      cutTogether: async (...given) => {
        await take();
        return cluster.rbd.cutTogether(...given);
      },
    });
    const seen = await take([one, two], 'g', slow);
    expect(await take()).toEqual(seen);
    expect(cuts()).toHaveLength(2);
  });

  it('a delete claims a volume before or while it is cut: refused, and nothing stays', async () => {
    const slow = seeing({
      cutTogether: async (...given) => {
        claimDelete(two);
        return cluster.rbd.cutTogether(...given);
      },
    });
    await expect(take([one, two], 'g', slow)).rejects.toEqual(code('BERTH_VOLUME_DELETING'));
    await expect(take()).rejects.toEqual(code('BERTH_VOLUME_DELETING'));
    expect([cuts(), await records()]).toEqual([[], []]);
  });

  it('was taken, and a volume is deleted since: the answer is still the group, whole', async () => {
    const seen = await take();
    await deleteVolume(deleteParts(cluster), two, noSecrets, soon());
    expect(await take()).toEqual(seen);
    expect(await get(seen.handle)).toEqual(seen);
    await remove(seen.handle);
    expect([image(one).snapshots, await records()]).toEqual([[], []]);
  });

  it('a record of a newer Berth is left alone', async () => {
    const newer = new Map([['berth-group-g', '{"version":2}']]);
    await cluster.rbd.setRecords(await registry(), GROUPS_OBJECT, newer, soon());
    await expect(take()).rejects.toEqual(code('BERTH_RECORD_UNREADABLE'));
    expect(cuts()).toEqual([]);
  });
});

describe('a member', () => {
  it('does not go alone; without its group it does', async () => {
    const { snapshots, handle } = await take();
    const member = snapshots[0]!.handle;
    await expect(deleteSnapshot(snapshotParts(cluster), member, noSecrets, soon())).rejects.toThrow(
      /BERTH_GROUP_MEMBER: .*c1\/berth-group-g/,
    );
    await cluster.rbd.removeRecords(await registry(), GROUPS_OBJECT, ['berth-group-g'], soon());
    await deleteSnapshot(snapshotParts(cluster), member, noSecrets, soon());
    expect(cuts()).toHaveLength(1);
    await remove(handle);
  });

  it('was removed by somebody: the group says so, and can be deleted', async () => {
    const { handle } = await take();
    image(two).snapshots = [];
    await expect(get(handle)).rejects.toEqual(code('BERTH_GROUP_INCOMPLETE'));
    await expect(take()).rejects.toThrow(two);
    await remove(handle);
    expect([cuts(), await records()]).toEqual([[], []]);
  });
});

describe('GetVolumeGroupSnapshot, DeleteVolumeGroupSnapshot', () => {
  it('of what is not there: NOT_FOUND and OK', async () => {
    const { handle } = await take();
    for (const id of ['x', 'c2/berth-group-g.00000000', 'c1/berth-group-g.00000000', 'c1/berth-group-h.00000000'])
      await expect(get(id)).rejects.toEqual(code('BERTH_GROUP_NOT_FOUND'));
    for (const id of ['x', 'c1/berth-group-g.00000000', 'c1/berth-group-h.00000000']) await remove(id);
    await expect(remove('c2/berth-group-g.00000000')).rejects.toEqual(code('BERTH_CLUSTER_UNKNOWN'));
    expect(cuts()).toHaveLength(2);
    for (let times = 0; times < 3; times += 1) await remove(handle);
    expect([cuts(), await records()]).toEqual([[], []]);
  });

  it('with other members than it has: refused', async () => {
    const { handle, snapshots } = await take();
    const named = snapshots.map((one) => one.handle);
    for (const wrong of [named.slice(1), [...named, 'x'], ['x', 'y']]) {
      await expect(get(handle, wrong)).rejects.toEqual(code('BERTH_GROUP_MISMATCH'));
      await expect(remove(handle, wrong)).rejects.toEqual(code('BERTH_GROUP_MISMATCH'));
    }
    expect((await get(handle, named.toReversed())).handle).toBe(handle);
    await remove(handle, named);
    expect(cuts()).toEqual([]);
  });

  it.each(['claim delete', 'remove snapshots', 'forget name'])('dies at "%s": the retry ends it', async (step) => {
    const { handle, snapshots } = await take();
    let writes = 0;
    const atForget: RbdPort['compareAndSetRecord'] = (...given) =>
      (writes += 1) === 2 ? died() : cluster.rbd.compareAndSetRecord(...given);
    const dying: Partial<RbdPort> =
      step === 'claim delete'
        ? { compareAndSetRecord: died }
        : step === 'remove snapshots'
          ? { removeSnapshotById: died }
          : { compareAndSetRecord: atForget };
    await expect(remove(handle, [], seeing(dying))).rejects.toEqual(code('BERTH_WORKER_DIED'));
    // Beside it the name may be wanted anew.
    await remove(
      handle,
      snapshots.map((one) => one.handle),
    );
    expect([cuts(), await records()]).toEqual([[], []]);
  });

  it('cut short, and the name is wanted anew: what was left of the old group goes', async () => {
    const { handle } = await take();
    const dying = seeing({ removeSnapshotById: died });
    await expect(remove(handle, [], dying)).rejects.toEqual(code('BERTH_WORKER_DIED'));
    const seen = await take([one, three]);
    expect(cuts()).toHaveLength(2);
    await remove(handle);
    expect(cuts()).toHaveLength(2);
    await remove(seen.handle);
    expect([cuts(), await records()]).toEqual([[], []]);
  });
});
