/** What Probe's checks say of clusters and mappers. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import { clustersAnswer, mapperWorks } from '../../../src/diagnosis/readiness-checks.js';
import type { MounterChoice } from '../../../src/model/mapper-name.js';
import { kernelMaps } from '../../../src/rbd/mapping/kernel-maps.js';
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
  const none = () => Promise.reject(berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'auto', why: 'none' }));
  const yes = () => Promise.resolve(true);
  const no = () => Promise.resolve(false);

  it('that cannot map what its kernel could is not ready', async () => {
    await expect(mapperWorks(none, yes)(soon())).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
    expect(await mapperWorks(() => Promise.resolve('krbd'), yes)(soon())).toBeUndefined();
  });

  it('whose kernel has no rbd is ready, so that it holds up no roll-out', async () => {
    expect(await mapperWorks(none, no)(soon())).toBeUndefined();
  });

  it('with any other failure is not ready, whatever its kernel has', async () => {
    const broken = () => Promise.reject(new Error('no such directory'));
    await expect(mapperWorks(broken, no)(soon())).rejects.toThrow('no such directory');
  });
});

describe('the kernel', () => {
  it.each([
    ['bus/rbd', { krbd: true, nbd: false, auto: true, loop: true }],
    ['module/nbd', { krbd: false, nbd: true, auto: true, loop: true }],
    ['module/other', { krbd: false, nbd: false, auto: false, loop: true }],
  ] as const)('with %s in sysfs maps by what it has', async (made, expected) => {
    const sys = await mkdtemp(path.join(os.tmpdir(), 'berth-sys-'));
    try {
      await mkdir(path.join(sys, made), { recursive: true });
      for (const [mounter, maps] of Object.entries(expected) as [MounterChoice, boolean][]) {
        expect(await kernelMaps(sys, mounter), mounter).toBe(maps);
      }
    } finally {
      await rm(sys, { recursive: true });
    }
  });
});
