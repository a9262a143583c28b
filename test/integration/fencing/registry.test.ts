/** The registry stays where it is when a place is inserted before it in the clusters file, on a real cluster. */
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { FENCES_OBJECT, Fences } from '../../../src/attachment/fences.js';
import { NodeRegistry, type NodeRegistration } from '../../../src/attachment/node-registry.js';
import { NODES_OBJECTS } from '../../../src/attachment/nodes/node-objects.js';
import { RegistryFinder } from '../../../src/attachment/registry/find-registry.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { PoolSpec } from '../../../src/model/volume-id.js';
import { createLog } from '../../../src/observe/log.js';
import { Clusters } from '../../../src/rbd/clusters.js';
import type { ClusterAccess, PoolRef, RbdPort } from '../../../src/rbd/port.js';
import { accessAs, barePool, cluster, scratchDirectory, type IsolatedPool } from '../ceph.js';
import { startLibrbd } from '../rbd/librbd.js';

const soon = (): Deadline => Deadline.after(60_000);
const ROUNDS = 10;

let rbd: RbdPort;
let directory: string;
let inserted: IsolatedPool;
let files = 0;

beforeAll(async () => {
  directory = await scratchDirectory('registry');
  inserted = await barePool('inserted', [cluster().pool]);
  rbd = startLibrbd();
});
afterAll(async () => {
  await rbd.close();
  await inserted.remove();
  await rm(directory, { recursive: true, force: true });
});

/** Plain objects need no namespace that was made. */
const freshPlace = (): PoolSpec => ({ pool: cluster().pool, namespace: `registry-${randomBytes(4).toString('hex')}` });
const insertedPlace = (): PoolSpec => ({ pool: inserted.pool, namespace: '' });

/** Another process, whose clusters file lists these places. */
async function clustersOf(places: readonly PoolSpec[], access: ClusterAccess = inserted.access): Promise<Clusters> {
  files += 1;
  // Files of its own: one that is written anew is empty for a moment.
  const [keyFile, file] = [path.join(directory, `key-${files}`), path.join(directory, `clusters-${files}.yaml`)];
  await writeFile(keyFile, access.key.reveal());
  const names = [...new Set(places.map(({ pool }) => pool))];
  const pools = names.map((name) => ({
    name,
    namespaces: places.filter(({ pool }) => pool === name).map(({ namespace }) => namespace),
  }));
  const users = { controller: { id: access.user, keyFile } };
  await writeFile(file, stringify({ clusters: [{ id: 'dev', monitors: access.monitors, pools, users }] }));
  const objects = [...NODES_OBJECTS, FENCES_OBJECT];
  const parts = { rbd, objects, records: true, log: createLog('silent'), now: () => new Date() };
  return new Clusters(file, undefined, undefined, new RegistryFinder(parts));
}
const registryOf = async (places: readonly PoolSpec[], access?: ClusterAccess): Promise<PoolRef> =>
  (await clustersOf(places, access)).registry('dev', 'controller', soon());

const registration = (node: string): NodeRegistration => ({
  ...{ version: 1, node, bootId: 'boot-1', driver: '0.1.0', mappers: ['krbd'] },
  seen: new Date().toISOString(),
});

describe('a place inserted before the registry in the clusters file', () => {
  it('hides no node and no fence that were written before, whoever asks', async () => {
    const old = freshPlace();
    const before = await registryOf([old]);
    await new NodeRegistry(rbd).register(before, registration('n1'), soon());
    const fence = { version: 1, instance: '10.0.0.1:0/1', client: 'client.1', node: 'n1', volume: 'v', made: true };
    const text = JSON.stringify({ ...fence, since: new Date().toISOString(), evidence: 'a test' });
    await rbd.setRecords(before, FENCES_OBJECT, new Map([[fence.instance, text]]), soon());
    for (const places of [
      [insertedPlace(), old],
      [freshPlace(), insertedPlace(), old],
    ]) {
      const after = await registryOf(places);
      expect(after).toMatchObject(old);
      const found = await new NodeRegistry(rbd).find(
        after,
        { node: 'n1', installation: undefined, machine: undefined },
        soon(),
      );
      expect(found.registration?.bootId).toBe('boot-1');
      expect((await new Fences(rbd).all(after, soon())).map(({ instance }) => instance)).toEqual([fence.instance]);
    }
  });

  it('that the user may not ask makes no registry: it is unknown, until somebody has recorded it', async () => {
    const old = freshPlace();
    const places = [insertedPlace(), old];
    const stranger = accessAs('controller');
    await expect(registryOf(places, stranger)).rejects.toMatchObject({ code: 'BERTH_REGISTRY_UNKNOWN' });
    await new NodeRegistry(rbd).register(await registryOf([old]), registration('n1'), soon());
    await expect(registryOf(places, stranger)).rejects.toMatchObject({ code: 'BERTH_REGISTRY_UNKNOWN' });
    expect(await registryOf(places)).toMatchObject(old);
    expect(await registryOf(places, stranger)).toMatchObject(old);
  });
});

it(`two processes whose files list the places in another order agree on one registry, ${ROUNDS} times`, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = [freshPlace(), freshPlace()];
    const orders = [
      [one, other],
      [other, one],
      [one, other],
      [other, one],
    ];
    const found = await Promise.all(orders.map((places) => registryOf(places)));
    expect(new Set(found.map(({ namespace }) => namespace)).size).toBe(1);
    expect(await registryOf([freshPlace(), one, other])).toMatchObject({ namespace: found[0]!.namespace });
  }
});
