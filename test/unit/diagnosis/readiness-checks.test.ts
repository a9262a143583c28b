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
    cluster.rbd.failNext('identify', unreachable);
    expect(await clustersAnswer(cluster.clusters, cluster.rbd, 'controller')(soon())).toMatch(/no monitor answers/);
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
