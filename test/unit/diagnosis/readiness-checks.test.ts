/** What Probe's checks say of clusters and mappers. */
import { describe, expect, it } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import { clustersAnswer, mapperWorks } from '../../../src/diagnosis/readiness-checks.js';
import { memoryCluster, soon } from '../volume/controller/memory-cluster.js';

const cluster = memoryCluster();
const unreachable = (): Error => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });

describe('the clusters', () => {
  it('are fine while one answers', async () => {
    expect(await clustersAnswer(cluster.clusters, cluster.rbd, 'controller')(soon())).toBeUndefined();
  });

  it('are not while none does, and the reason is the cluster´s own', async () => {
    cluster.rbd.failNext('getRecords', unreachable);
    expect(await clustersAnswer(cluster.clusters, cluster.rbd, 'controller')(soon())).toMatch(/no monitor answers/);
  });

  it('are asked by one read of an OSD each, and no monitor', async () => {
    cluster.rbd.calls.length = 0;
    await clustersAnswer(cluster.clusters, cluster.rbd, 'controller')(soon());
    expect(cluster.rbd.calls.map(({ operation }) => operation)).toEqual(['getRecords']);
  });

  it('are fine where one says that the pool is gone, or closed to us: it answers', async () => {
    for (const error of [
      berthError('BERTH_POOL_NOT_FOUND', { pool: 'rbd', cluster: 'c1' }),
      berthError('BERTH_CEPH_DENIED', { user: 'u', what: 'read' }),
    ]) {
      cluster.rbd.failNext('getRecords', () => error);
      expect(await clustersAnswer(cluster.clusters, cluster.rbd, 'controller')(soon())).toBeUndefined();
    }
  });

  it('without a user for the role say which one is missing', async () => {
    expect(await clustersAnswer(cluster.clusters, cluster.rbd, 'node')(soon())).toMatch(
      /CREDENTIALS_MISSING.*users\.node/,
    );
  });
});

describe('the node', () => {
  it('without a mapper that works is not ready', async () => {
    const chooseMapper = () => Promise.reject(berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'auto', why: 'none' }));
    await expect(mapperWorks(chooseMapper)(soon())).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
    expect(await mapperWorks(() => Promise.resolve('krbd'))(soon())).toBeUndefined();
  });
});
