/** CSI 1.12, the calls about group snapshots: what every orchestrator may rely on, asked of a real driver. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { refused } from './calls.js';
import { block, SMALL_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Groups } from './groups.js';
import { Site } from './site.js';
import { Snapshots } from './snapshots.js';
import type { Volume } from './volume.js';

let site: Site;
let driver: Driver;
let groups: Groups;
let snapshots: Snapshots;

beforeAll(async () => {
  site = await Site.open('group');
  driver = await site.driver('node-one').start();
  groups = new Groups(site);
  snapshots = new Snapshots(site);
});
afterEach(async () => {
  await groups.end();
  await site.endVolumes();
});
afterAll(() => site.close());

const make = (): Promise<Volume> => site.create(driver, block(), { sizeBytes: SMALL_BYTES });

it('a group takes a snapshot of each volume, found one by one with the id of the group, and all by that', async () => {
  const { group } = driver.calls;
  const [one, two] = [await make(), await make()];
  const name = site.unique('group');
  const taken = await groups.take(driver, [one, two], name);
  expect(taken).toMatchObject({ readyToUse: true });
  expect(taken.snapshots.map((member) => member.sourceVolumeId).sort()).toEqual([one.id, two.id].sort());
  const { groupSnapshotId } = taken;
  for (const member of taken.snapshots) {
    expect(member).toMatchObject({ groupSnapshotId, readyToUse: true, sizeBytes: String(SMALL_BYTES) });
    const { snapshotId } = member;
    expect((await driver.controller.GetSnapshot({ snapshotId })).snapshot).toEqual(member);
    expect(await snapshots.list(driver, { snapshotId })).toEqual([member]);
    await refused(driver.controller.DeleteSnapshot({ snapshotId }), 'INVALID_ARGUMENT', /BERTH_GROUP_MEMBER/);
  }
  expect(await groups.take(driver, [two, one], name)).toEqual(taken);
  expect((await group.GetVolumeGroupSnapshot({ groupSnapshotId })).groupSnapshot).toEqual(taken);
  const snapshotIds = taken.snapshots.map((member) => member.snapshotId);
  const wrong = { groupSnapshotId, snapshotIds: snapshotIds.slice(1) };
  await refused(group.GetVolumeGroupSnapshot(wrong), 'INVALID_ARGUMENT', /BERTH_GROUP_MISMATCH/);
  await refused(group.DeleteVolumeGroupSnapshot(wrong), 'INVALID_ARGUMENT', /BERTH_GROUP_MISMATCH/);
  await groups.remove(groupSnapshotId, driver, snapshotIds);
  await groups.remove(groupSnapshotId, driver);
  expect([await snapshots.of(one.image), await snapshots.of(two.image)]).toEqual([[], []]);
  await refused(group.GetVolumeGroupSnapshot({ groupSnapshotId }), 'NOT_FOUND', /BERTH_GROUP_NOT_FOUND/);
});

it('what is missing, unknown, or another group’s is refused with the contract’s status', async () => {
  const { group } = driver.calls;
  const [one, two] = [await make(), await make()];
  const name = site.unique('group');
  const sourceVolumeIds = [one.id, two.id];
  await refused(group.CreateVolumeGroupSnapshot({ sourceVolumeIds }), 'INVALID_ARGUMENT', /name/);
  await refused(group.CreateVolumeGroupSnapshot({ name }), 'INVALID_ARGUMENT', /source_volume_ids/);
  const twice = { name, sourceVolumeIds: [one.id, one.id] };
  await refused(group.CreateVolumeGroupSnapshot(twice), 'INVALID_ARGUMENT', /twice/);
  const typo = { name, sourceVolumeIds, parameters: { tpyo: 'yes' } };
  await refused(group.CreateVolumeGroupSnapshot(typo), 'INVALID_ARGUMENT', /tpyo/);
  const unknown = { name, sourceVolumeIds: [one.id, `${two.id}x`] };
  await refused(group.CreateVolumeGroupSnapshot(unknown), 'NOT_FOUND');
  await refused(group.DeleteVolumeGroupSnapshot({}), 'INVALID_ARGUMENT', /group_snapshot_id/);
  await refused(group.GetVolumeGroupSnapshot({}), 'INVALID_ARGUMENT', /group_snapshot_id/);
  await refused(group.GetVolumeGroupSnapshot({ groupSnapshotId: 'x' }), 'NOT_FOUND');
  await group.DeleteVolumeGroupSnapshot({ groupSnapshotId: 'x' });
  await site.rbd('feature', 'disable', two.image, 'fast-diff', 'object-map', 'exclusive-lock');
  await refused(groups.take(driver, [one, two], name), 'FAILED_PRECONDITION', /BERTH_GROUP_UNFIT: .*exclusive-lock/);
  await groups.take(driver, [one], name);
  await refused(groups.take(driver, [one, two], name), 'ALREADY_EXISTS', /BERTH_GROUP_EXISTS/);
  expect(await snapshots.of(two.image)).toEqual([]);
});

it('a deleted volume leaves its member, from which a volume is made', async () => {
  const [one, two] = [await make(), await make()];
  const { snapshots: members, groupSnapshotId } = await groups.take(driver, [one, two]);
  await driver.controller.DeleteVolume({ volumeId: one.id, secrets: site.secrets() });
  const { groupSnapshot } = await driver.calls.group.GetVolumeGroupSnapshot({ groupSnapshotId });
  expect(groupSnapshot!.snapshots).toEqual(members);
  const { snapshotId } = members.find((member) => member.sourceVolumeId === one.id)!;
  const request = site.request(block(), { sizeBytes: SMALL_BYTES });
  const { volume } = await driver.controller.CreateVolume({
    ...request,
    volumeContentSource: { snapshot: { snapshotId } },
  });
  site.track(volume!.volumeId, block(), driver);
});
