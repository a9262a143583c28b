/** What Probe's checks say of clusters and of the node's own registration. */
import { describe, expect, it, vi } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import type { Mapper } from '../../../src/rbd/mapping/mapper.js';
import { createLog } from '../../../src/observe/log.js';
import { clustersAnswer, mapperWorks, nodeIsRegistered } from '../../../src/diagnosis/readiness-checks.js';
import { Mappers } from '../../../src/volume/node/node-mappers.js';
import type { NodeRoom } from '../../../src/volume/node/node-room.js';
import { controllerRoom, place, soon } from '../volume/controller/controller-room.js';

const room = controllerRoom();
const unreachable = (): Error => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });

describe('the clusters', () => {
  it('are fine while one answers', async () => {
    expect(await clustersAnswer(room.clusters, room.rbd, 'controller')(soon())).toBeUndefined();
  });

  it('are not while none does, and the reason is the cluster´s own', async () => {
    room.rbd.failNext('identify', unreachable);
    expect(await clustersAnswer(room.clusters, room.rbd, 'controller')(soon())).toMatch(/no monitor answers/);
  });

  it('without a user for the role say which one is missing', async () => {
    expect(await clustersAnswer(room.clusters, room.rbd, 'node')(soon())).toMatch(/CREDENTIALS_MISSING.*users\.node/);
  });
});

/** As much of a node's room as these checks use; the controller's user stands in for the node's. */
function nodeRoom(mappers: readonly Pick<Mapper, 'name' | 'whyNot' | 'list'>[]): NodeRoom {
  const clusters = {
    all: () => room.clusters.all(),
    registry: (cluster: string) => room.clusters.registry(cluster, 'controller'),
  };
  const journal = { all: () => Promise.resolve({ entries: [], unreadable: [] }) };
  const choose = (): Promise<never> =>
    Promise.reject(berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'auto', why: 'none' }));
  return {
    log: createLog('silent'),
    node: 'n1',
    bootId: 'boot-1',
    clusters,
    rbd: room.rbd,
    mappers: new Mappers({ all: mappers as readonly Mapper[], choose, journal }),
    now: room.now,
    journal,
  } as unknown as NodeRoom;
}

describe('the node', () => {
  it('registers with the mappers that work, once and not on every probe', async () => {
    const mappers = [
      { name: 'krbd', whyNot: () => Promise.resolve('no module'), list: () => Promise.resolve([]) },
      { name: 'loop', whyNot: () => Promise.resolve(undefined), list: () => Promise.resolve([]) },
    ] as const;
    const check = nodeIsRegistered(nodeRoom(mappers), room.nodes, '0.1.0');
    expect(await check(soon())).toBeUndefined();
    expect(await check(soon())).toBeUndefined();
    expect(room.rbd.calls.filter((one) => one.operation === 'setRecords')).toHaveLength(1);
    const [line] = (await room.rbd.getRecords(place(), 'berth.nodes', ['n1'], soon())).values();
    expect(JSON.parse(line!)).toMatchObject({
      version: 1,
      node: 'n1',
      driver: '0.1.0',
      bootId: 'boot-1',
      mappers: ['loop'],
      clients: [],
    });
  });

  it('registers without its clients where a mapper cannot tell them, and says so', async () => {
    const list = (): Promise<never> => Promise.reject(new Error('sysfs is not there'));
    const mute = { name: 'krbd', whyNot: () => Promise.resolve('no module'), list } as const;
    const node = nodeRoom([mute]);
    const warn = vi.spyOn(node.log, 'warn');
    expect(await nodeIsRegistered(node, room.nodes, '0.1.0')(soon())).toBeUndefined();
    const [line] = (await room.rbd.getRecords(place(), 'berth.nodes', ['n1'], soon())).values();
    expect(JSON.parse(line!)).not.toHaveProperty('clients');
    expect(warn).toHaveBeenCalledWith(
      expect.objectContaining({ cluster: 'c1' }),
      expect.stringMatching(/a fence of this node stays/),
    );
  });

  it('that could not register is not ready, and tries again', async () => {
    const check = nodeIsRegistered(nodeRoom([]), room.nodes, '0.1.0');
    room.rbd.failNext('setRecords', unreachable);
    expect(await check(soon())).toMatch(/CLUSTER_UNREACHABLE/);
    expect(await check(soon())).toBeUndefined();
  });

  it('without a mapper that works is not ready', async () => {
    await expect(mapperWorks(nodeRoom([]))(soon())).rejects.toMatchObject({ code: 'BERTH_MAPPER_UNAVAILABLE' });
  });
});
