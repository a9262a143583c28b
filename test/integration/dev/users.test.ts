/** The cephx users that secrets.yaml carries can do what Berth does and no more (docs/ceph-users.md). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyringOf, layoutOf } from '../../../src/dev/ceph/layout.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { admin, cluster, isolatedNamespace, isolatedPool, type IsolatedPool, type Place } from '../ceph.js';

const soon = () => Deadline.after(60_000);

describe.each(['berth-controller', 'berth-node'])('client.%s', (user) => {
  let place: Place;
  let foreign: IsolatedPool;

  beforeAll(async () => {
    place = await isolatedNamespace('caps');
    foreign = await isolatedPool('foreign');
  });

  afterAll(async () => {
    await place.remove();
    await foreign.remove();
  });

  const as = async (program: 'ceph' | 'rbd' | 'rados', ...args: string[]): Promise<string> => {
    const layout = layoutOf(cluster().clusterDirectory);
    const identity = ['-c', layout.conf, '--id', user, '--keyring', keyringOf(layout, `client.${user}`)];
    return (await run(program, [...identity, ...args], { deadline: soon() })).stdout;
  };

  it('makes, writes, grows and deletes images in the pool and its namespaces', async () => {
    for (const at of [`hyper/${user}`, `hyper/${place.namespace}/${user}`]) {
      await as('rbd', 'create', '--size', '16M', at);
      await as('rbd', 'image-meta', 'set', at, 'berth.dev/x', 'y');
      await as('rbd', 'bench', '--io-type', 'write', '--io-size', '4096', '--io-total', '65536', at);
      await as('rbd', 'resize', '--no-progress', '--size', '32M', at);
      await as('rbd', 'rm', '--no-progress', at);
    }
  });

  it('writes records beside them, reads capacity and blocklists a dead client', async () => {
    await as('rados', '-p', 'hyper', '-N', place.namespace, 'setomapval', 'registry', user, 'here');
    await as('rados', '-p', 'hyper', '-N', place.namespace, 'rm', 'registry');
    expect(JSON.parse(await as('ceph', 'df', '--format', 'json'))).toHaveProperty('pools');
    await as('ceph', 'osd', 'blocklist', 'add', '192.0.2.1:0/1');
    await admin().ceph(['osd', 'blocklist', 'rm', '192.0.2.1:0/1'], soon());
  });

  it('may not touch another pool, read keys, or make and delete pools', async () => {
    await expect(as('rbd', 'ls', foreign.pool)).rejects.toThrow('Operation not permitted');
    await expect(as('rbd', 'create', '--size', '16M', `${foreign.pool}/x`)).rejects.toThrow('Operation not permitted');
    await expect(as('ceph', 'auth', 'ls')).rejects.toThrow('access denied');
    await expect(as('ceph', 'osd', 'pool', 'create', 'mine')).rejects.toThrow('access denied');
    await expect(as('ceph', 'osd', 'pool', 'rm', 'hyper', 'hyper', '--yes-i-really-really-mean-it')).rejects.toThrow(
      'access denied',
    );
  });
});
