import { describe, expect, it } from 'vitest';
import { Installation } from '../../../src/attachment/node-identity.js';
import { NodeRegistry } from '../../../src/attachment/node-registry.js';
import { checkInstallation } from '../../../src/diagnosis/ceph/installation-nodes.js';
import { memoryCluster, place, soon } from '../volume/controller/memory-cluster.js';

const cluster = memoryCluster();
const register = (installation?: string): Promise<void> => {
  const said = installation === undefined ? {} : { installation, machine: 'm' };
  const rest = { version: 1, node: 'w', bootId: 'b', driver: '0', mappers: [], seen: '' } as const;
  return new NodeRegistry(cluster.rbd).register(place(), { ...rest, ...said }, soon());
};
const check = (installation: Installation, roles: readonly ('controller' | 'node')[] = ['controller']) =>
  checkInstallation({ ...cluster, installation, roles }, soon());
const mine = new Installation('x');

describe('the check of the installation', () => {
  it('finds nothing where nodes of it are registered, or none at all, or one of an earlier Berth', async () => {
    expect(await check(mine)).toEqual([]);
    await register('y');
    await register('x');
    expect(await check(mine)).toEqual([]);
    await register();
    expect(await check(new Installation('z'))).toEqual([]);
  });

  it('warns a controller whose nodes are all of other installations', async () => {
    await register('y');
    const says = expect.stringMatching(/installation \(x\), only of y; .*--installation/) as string;
    expect(await check(mine)).toEqual([{ name: 'installation c1', level: 'warning', says }]);
    expect(await check(new Installation())).toMatchObject([{ level: 'warning' }]);
    expect(await check(mine, ['node'])).toEqual([]);
  });

  it('fails while it is not known', async () => {
    const unknown = new Installation(undefined, () => Promise.reject(new Error('namespaces is forbidden')));
    expect(await check(unknown, ['node'])).toMatchObject([{ name: 'installation', level: 'failed' }]);
  });
});
