/** Whether the controller may fence, found out before a node dies. */
import { expect, it } from 'vitest';
import { checkFencingRights } from '../../../../src/diagnosis/ceph/fencing-rights.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { memoryCluster } from '../../volume/controller/memory-cluster.js';

const cluster = memoryCluster();
const check = () => checkFencingRights({ rbd: cluster.rbd, clusters: cluster.clusters }, Deadline.after(5_000));

it('a user that may do both is well; one that may not fails, and each command is named', async () => {
  expect(await check()).toMatchObject([{ name: 'fencing c1', level: 'ok' }]);
  cluster.rbd.rightsMissing = ['rm'];
  const says = expect.stringMatching(/may not osd blocklist rm: .*docs\/ceph-users\.md/) as string;
  expect(await check()).toEqual([{ name: 'fencing c1', level: 'failed', says }]);
  cluster.rbd.rightsMissing = ['add', 'rm'];
  expect((await check())[0]?.says).toContain('osd blocklist add and osd blocklist rm');
});

it('a cluster that does not let us in is told by the check of its access', async () => {
  const error = () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });
  cluster.rbd.failNext('blocklistRightsMissing', error);
  expect(await check()).toEqual([]);
});
