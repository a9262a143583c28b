/** The loop that registers a node: what it writes, when again, and what the readiness check reads of it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodesObjectOf } from '../../../../../src/attachment/nodes/node-objects.js';
import { NodeRegistry } from '../../../../../src/attachment/node-registry.js';
import { berthError } from '../../../../../src/model/errors.js';
import { createLog } from '../../../../../src/observe/log.js';
import type { RegistrationParts } from '../../../../../src/volume/node/registration/register-node.js';
import { RegistrationLoop } from '../../../../../src/volume/node/registration/registration-loop.js';
import { memoryCluster, place, soon } from '../../controller/memory-cluster.js';
import { now } from '../../controller/use-case-parts.js';
import { nodeNamed } from '../../../../fakes/node-named.js';
import { Installation } from '../../../../../src/attachment/node-identity.js';

const cluster = memoryCluster();
const unreachable = (): Error => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });
afterEach(() => vi.restoreAllMocks());

/** The controller's user stands in for the node's, which the clusters file of these tests does not have. */
const parts = (more: Partial<RegistrationParts> = {}): RegistrationParts => ({
  self: nodeNamed('n1'),
  installation: new Installation(),
  bootId: 'boot-1',
  driver: '0.1.0',
  mappers: [
    { name: 'krbd', whyNot: () => Promise.resolve('no module') },
    { name: 'loop', whyNot: () => Promise.resolve(undefined) },
  ],
  clusters: {
    all: () => cluster.clusters.all(),
    registry: (id, _role, deadline) => cluster.clusters.registry(id, 'controller', deadline),
  },
  rbd: cluster.rbd,
  nodes: new NodeRegistry(cluster.rbd),
  clientsInUse: () => Promise.resolve([]),
  log: createLog('silent'),
  now,
  ...more,
});

const writes = () => cluster.rbd.calls.filter((one) => one.operation === 'setRecords').length;
const registered = async (): Promise<unknown> => {
  const [line] = (await cluster.rbd.getRecords(place(), nodesObjectOf('n1'), ['n1'], soon())).values();
  return JSON.parse(line!);
};

describe('a round', () => {
  it('writes the node with the mappers that work, and not again while that is fresh', async () => {
    const loop = new RegistrationLoop(parts());
    await loop.round();
    await loop.round();
    expect(await loop.whyNot()).toBeUndefined();
    expect(writes()).toBe(1);
    expect(await registered()).toMatchObject({
      ...{ version: 1, node: 'n1', driver: '0.1.0', bootId: 'boot-1', mappers: ['loop'], clients: [] },
    });
  });

  it('writes it again when half a minute has passed', async () => {
    const loop = new RegistrationLoop(parts());
    await loop.round();
    const later = performance.now() + 30_001;
    vi.spyOn(performance, 'now').mockReturnValue(later);
    await loop.round();
    expect(writes()).toBe(2);
  });

  it('leaves the clients out where a mapper cannot tell them, and says so', async () => {
    const log = createLog('silent');
    const warn = vi.spyOn(log, 'warn');
    const clientsInUse = () => Promise.reject(new Error('sysfs is not there'));
    const loop = new RegistrationLoop(parts({ clientsInUse, log }));
    await loop.round();
    expect(await loop.whyNot()).toBeUndefined();
    expect(await registered()).not.toHaveProperty('clients');
    expect(warn).toHaveBeenCalledWith(
      expect.objectContaining({ cluster: 'c1' }),
      expect.stringMatching(/a fence of this node stays/),
    );
  });

  it('that fails says why, and the next one tries again', async () => {
    const loop = new RegistrationLoop(parts());
    cluster.rbd.failNext('setRecords', unreachable);
    await loop.round();
    expect(await loop.whyNot()).toMatch(/CLUSTER_UNREACHABLE/);
    await loop.round();
    expect(await loop.whyNot()).toBeUndefined();
  });

  it('without a clusters file that can be read says so and does not fail', async () => {
    const all = () => Promise.reject(berthError('BERTH_CONFIG_INVALID', { file: 'clusters.yaml', why: 'gone' }));
    const loop = new RegistrationLoop(parts({ clusters: { ...parts().clusters, all } }));
    await loop.round();
    expect(await loop.whyNot()).toMatch(/clusters\.yaml: gone/);
  });
});

describe('what the readiness check reads', () => {
  it('is no registration before the first round', async () => {
    expect(await new RegistrationLoop(parts()).whyNot()).toBe('not tried yet');
  });

  it('waits for the round that runs: a start is not slowed by a whole pause', async () => {
    const loop = new RegistrationLoop(parts());
    loop.start();
    expect(await loop.whyNot()).toBeUndefined();
    await loop.stop();
    expect(writes()).toBe(1);
  });
});
