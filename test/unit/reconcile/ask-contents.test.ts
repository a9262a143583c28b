/** What Kubernetes says of snapshots and groups to the search for garbage: by handle, and by what may get one yet. */
import { expect, it } from 'vitest';
import { askListedContents } from '../../../src/reconcile/garbage/ask-contents.js';
import { apiFixture, soon } from '../../kube/api-fixture.js';

const DRIVER = 'rbd.csi.berth.dev';
const SNAPSHOTS = '/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents';
const GROUPS = '/apis/groupsnapshot.storage.k8s.io/v1/volumegroupsnapshotcontents';

const at = apiFixture();
const installation = { known: () => Promise.resolve('here') };
const ask = () => askListedContents({ kube: { api: at.api, attachments: { driver: DRIVER } }, installation });
const put = (collection: string, name: string, spec: object, status: object = {}, driver = DRIVER) =>
  at.server.put(collection, { metadata: { name }, spec: { driver, ...spec }, status });

it('a VolumeSnapshotContent explains its handle, whatever the cluster is called, and no other', async () => {
  put(SNAPSHOTS, 'taken', { source: { volumeHandle: 'c1/rbd/a' } }, { snapshotHandle: 'c1/rbd/1f@7' });
  put(SNAPSHOTS, 'was-there', { source: { snapshotHandle: 'c1/rbd/2f@8' } });
  put(SNAPSHOTS, 'of-others', { source: { snapshotHandle: 'c1/rbd/3f@9' } }, {}, 'rbd.csi.ceph.com');
  const known = await ask()('VolumeSnapshotContent', soon());
  expect(known?.installation).toBe('here');
  expect(known?.explains('c1/rbd/1f@7', ['c1/rbd/a'])).toBe(true);
  expect(known?.explains('renamed/rbd/2f@8', [])).toBe(true);
  expect(known?.explains('c1/rbd/1f@77', ['c1/rbd/a'])).toBe(false);
  expect(known?.explains('c1/rbd/3f@9', ['c1/rbd/b'])).toBe(false);
});

it('one without a handle yet explains every snapshot of its volume', async () => {
  put(SNAPSHOTS, 'pending', { source: { volumeHandle: 'c1/rbd/a' } });
  const known = await ask()('VolumeSnapshotContent', soon());
  expect(known?.explains('c1/rbd/1f@7', ['c1/rbd/a'])).toBe(true);
  expect(known?.explains('c1/rbd/2f@7', ['c1/rbd/b'])).toBe(false);
});

it('a VolumeGroupSnapshotContent explains its handle, and without one every group of its volumes', async () => {
  const handle = 'c1/berth-group-g.01234567';
  put(GROUPS, 'taken', { source: { volumeHandles: ['c1/rbd/a'] } }, { volumeGroupSnapshotHandle: handle });
  put(GROUPS, 'was-there', { source: { groupSnapshotHandles: { volumeGroupSnapshotHandle: 'c1/berth-group-h.0' } } });
  put(GROUPS, 'pending', { source: { volumeHandles: ['c1/rbd/b', 'c1/rbd/c'] } });
  const known = await ask()('VolumeGroupSnapshotContent', soon());
  expect(known?.explains(handle, ['c1/rbd/a'])).toBe(true);
  expect(known?.explains('c1/berth-group-h.0', [])).toBe(true);
  expect(known?.explains('c1/berth-group-g.76543210', ['c1/rbd/a'])).toBe(false);
  expect(known?.explains('c1/berth-group-i.0', ['c1/rbd/d', 'c1/rbd/c'])).toBe(true);
});

it('a cluster without the CRDs says so, one that forbids it as well, and without Kubernetes nobody knows', async () => {
  at.server.denied.add('serve volumegroupsnapshotcontents');
  await expect(ask()('VolumeGroupSnapshotContent', soon())).rejects.toMatchObject({ code: 'BERTH_KUBE_UNSERVED' });
  at.server.denied.add('list volumesnapshotcontents');
  await expect(ask()('VolumeSnapshotContent', soon())).rejects.toMatchObject({ code: 'BERTH_KUBE_DENIED' });
  expect(await askListedContents({ kube: undefined, installation })('VolumeSnapshotContent', soon())).toBeUndefined();
});
