/** Whether the controller may make users of volumes, and which keys a node reads. */
import { beforeEach, expect, it, vi } from 'vitest';
import { Installation } from '../../../../src/attachment/node-identity.js';
import { checkVolumeUsers, type VolumeUsersParts } from '../../../../src/diagnosis/ceph/volume-users.js';
import { berthError } from '../../../../src/model/errors.js';
import type { ClusterConfig } from '../../../../src/rbd/clusters-file.js';
import { MemoryRbd } from '../../../fakes/rbd-memory.js';
import { place, soon } from '../../volume/controller/memory-cluster.js';

const registry = place();
let rbd: MemoryRbd;
/** Beginnings of objects that the node's user reads. */
let reads: readonly string[];
let id: string;
beforeEach(() => {
  rbd = new MemoryRbd('rbd');
  reads = ['berth-keys/here/node-1/'];
  id = 'berth-node-{node}';
});

const config = (): ClusterConfig => ({
  ...{ id: 'c1', monitors: [], pools: [{ name: 'rbd', namespaces: [''] }], registry: undefined },
  users: { node: { id, keyFile: '/k' } },
});
const check = (more: Partial<VolumeUsersParts>) =>
  checkVolumeUsers(
    {
      rbd: {
        makeUser: rbd.makeUser,
        dropUser: rbd.dropUser,
        listRecords: (at, object, ...rest) =>
          reads.some((one) => object.startsWith(one))
            ? rbd.listRecords(at, object, ...rest)
            : Promise.reject(berthError('BERTH_CEPH_DENIED', { user: 'berth', what: `read ${object}` })),
      },
      clusters: {
        all: () => Promise.resolve([config()]),
        access: () => Promise.resolve(registry.access),
        registry: () => Promise.resolve(registry),
      },
      installation: new Installation('here'),
      ...{ roles: [], volumeUsers: false, nodeId: 'node-1', ...more },
    },
    soon(),
  );

it('a controller that makes users: tried by one who is gone again', async () => {
  expect(await check({ roles: ['controller'], volumeUsers: true })).toMatchObject([{ level: 'ok' }]);
  expect(rbd.calls.map(({ operation }) => operation)).toEqual(['dropUser', 'makeUser', 'dropUser']);
  expect(rbd.users.size).toBe(0);
});

it('a check that was cut short: the next one removes the user that it left, whatever his caps are', async () => {
  const end = vi.fn(() => Promise.reject(berthError('BERTH_DEADLINE', { what: 'auth rm', ms: 5_000 })));
  const cut = { makeUser: rbd.makeUser, dropUser: vi.fn(rbd.dropUser), listRecords: rbd.listRecords };
  cut.dropUser.mockImplementationOnce(rbd.dropUser).mockImplementationOnce(end);
  const maker = { roles: ['controller'] as const, volumeUsers: true };
  expect(await check({ ...maker, rbd: cut })).toEqual([]);
  const [left = ''] = rbd.users.keys();
  rbd.users.set(left, { caps: 'of another version', key: 'key' });
  expect(await check(maker)).toMatchObject([{ level: 'ok' }]);
  expect(rbd.users.size).toBe(0);
});

it('a controller that may not: failed, with the pool and what to do', async () => {
  rbd.users.mayBeMade = false;
  const [found] = await check({ roles: ['controller'], volumeUsers: true });
  expect(found).toMatchObject({ name: 'volume-users c1', level: 'failed' });
  expect(found?.says).toMatch(/may not make or drop users for volumes of pool rbd.*docs\/ceph-users.md/);
});

it('a controller that makes none, and a node by the user of all nodes: not asked', async () => {
  id = 'berth-node';
  expect(await check({ roles: ['controller', 'node'] })).toEqual([]);
  expect(rbd.calls).toEqual([]);
});

it.each([
  ['its own keys alone', ['berth-keys/here/node-1/'], 'ok', 'and no others'],
  ['those of all nodes', ['berth-keys/'], 'failed', 'whoever takes this node has them all'],
  ['none at all', [], 'failed', 'may not read berth-keys/here/node-1/'],
] as const)('a node with a user of its own that reads %s: %j is %s', async (_, may, level, says) => {
  reads = may;
  const [found] = await check({ roles: ['node'] });
  expect(found).toMatchObject({ level });
  expect(found?.says).toContain(says);
});
