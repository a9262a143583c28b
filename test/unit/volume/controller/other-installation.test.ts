/** Attach and detach where another installation, or another machine, has a node of the same name. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY, parseHolderRecord, type Holder } from '../../../../src/attachment/holder-record.js';
import { Installation } from '../../../../src/attachment/node-identity.js';
import type { NodeRegistration } from '../../../../src/attachment/node-registry.js';
import type { NodeStateAnswer } from '../../../../src/attachment/node-state.js';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { detachVolume } from '../../../../src/volume/controller/detach/detach-volume.js';
import { getVolume } from '../../../../src/volume/controller/get-volume.js';
import { nodesObjectOf } from '../../../../src/attachment/nodes/node-objects.js';
import { listVolumes } from '../../../../src/volume/controller/list/list-volumes.js';
import { creation, memoryCluster, mounted, noSecrets, NOW, place, soon } from './memory-cluster.js';
import { createParts, detachParts } from './use-case-parts.js';

const cluster = memoryCluster();
const volume = 'c1/rbd/berth-v';
const client = { address: '10.0.0.1:0/5', client: 'client.5' };
const long = new Date(Date.parse(NOW) - 3_600_000).toISOString();

const partsAt = (installation: string, view: NodeStateAnswer = 'unknown') => ({
  ...detachParts({ ...cluster, installation: new Installation(installation) }),
  nodeStates: { of: () => Promise.resolve(view) },
});
const attach = (installation: string, node = 'w') =>
  attachVolume(
    partsAt(installation),
    { volume, node, capability: mounted, readOnly: false, secrets: noSecrets },
    soon(),
  );
const detach = (installation: string, view?: NodeStateAnswer, node = 'w') =>
  detachVolume(partsAt(installation, view), { volume, node, secrets: noSecrets }, soon());
const register = (one: Partial<NodeRegistration>): Promise<void> =>
  partsAt('').nodes.register(
    place(),
    { ...{ version: 1, node: 'w', bootId: 'b', driver: '0', mappers: [], seen: NOW }, ...one },
    soon(),
  );
const record = () => parseHolderRecord(cluster.image('berth-v')!.metadata.get(HOLDER_KEY), volume);
const hold = (holder: Partial<Holder>): void => {
  const staged = {
    node: 'w',
    since: long,
    by: 'controller',
    state: 'staged',
    at: long,
    bootId: 'b',
    clients: [client],
  };
  const text = JSON.stringify({
    ...{ version: 1, mode: mounted.mode, access: 'mount', readOnly: false },
    holders: [{ ...staged, ...holder }],
  });
  cluster.image('berth-v')!.metadata.set(HOLDER_KEY, text);
};

beforeEach(async () => {
  await createVolume(createParts(cluster), creation('v'), soon());
  await register({ installation: 'x', machine: 'm1' });
  await register({ installation: 'y', machine: 'm2' });
});

describe('a volume that another installation’s node of that name has', () => {
  it('is not attached, and the refusal names the installation', async () => {
    await attach('x');
    expect(record()?.holders).toMatchObject([{ node: 'w', installation: 'x', state: 'granted' }]);
    await expect(attach('y')).rejects.toThrow(/attached to node w of installation x since/);
    await attach('x');
  });

  it('is not detached, by name or from all nodes, whatever is known of the node of that name here', async () => {
    hold({ installation: 'x', machine: 'm1' });
    for (const view of ['absent', 'unknown'] as const) {
      await detach('y', view);
      await detach('y', view, '');
    }
    expect(record()?.holders).toHaveLength(1);
    expect(cluster.rbd.calls.filter((one) => one.operation === 'blocklist')).toEqual([]);
  });

  it('is published nowhere in the eyes of this one', async () => {
    hold({ installation: 'x', machine: 'm1' });
    expect((await getVolume(partsAt('y'), volume, soon())).publishedNodes).toEqual([]);
    expect((await getVolume(partsAt('x'), volume, soon())).publishedNodes).toEqual(['w']);
    const [listed] = (await listVolumes(partsAt('y'), { maxEntries: 0, startingToken: '' }, soon())).volumes;
    expect(listed?.publishedNodes).toEqual([]);
  });

  it('by a record that does not say whose, is kept where only the other one has registered that node', async () => {
    await cluster.rbd.removeRecords(place(), nodesObjectOf('w'), ['z/w'], soon());
    hold({});
    await expect(detach('z', 'absent')).rejects.toThrow(/BERTH_DETACH_UNPROVEN: .*alive/);
    expect(record()?.holders).toHaveLength(1);
  });
});

describe('a node of that name in another installation only', () => {
  it('is none of this one’s, and the refusal says what may disagree', async () => {
    await expect(attach('z')).rejects.toMatchObject({ code: 'BERTH_NODE_ELSEWHERE', status: 'NOT_FOUND' });
    await expect(attach('')).rejects.toThrow(/node w is not registered .* is of installation y; .*--installation/);
    expect(record()).toBeUndefined();
  });
});

describe('a record of an earlier Berth', () => {
  it('is known by its name, and says whose node it means from the next change on', async () => {
    hold({ by: 'node' });
    await attach('x');
    expect(record()?.holders).toMatchObject([{ node: 'w', by: 'controller', installation: 'x', state: 'staged' }]);
    await expect(attach('y')).rejects.toMatchObject({ code: 'BERTH_VOLUME_HELD' });
  });

  it('with a node of an earlier Berth is attached and detached as before', async () => {
    await register({ node: 'old' });
    await attach('x', 'old');
    await detach('x', 'unknown', 'old');
    expect(record()).toBeUndefined();
  });
});

describe('a holder without an installation, whose machine has one by now', () => {
  it('is the node of that installation, and of no other', async () => {
    hold({ installation: '', machine: 'm1', state: 'released' });
    await detach('y');
    expect(record()?.holders).toHaveLength(1);
    await detach('x');
    expect(record()).toBeUndefined();
  });
});

describe('a machine that another one has replaced', () => {
  const ready: NodeStateAnswer = { bootId: 'b2', ready: 'true', notReadySince: undefined, outOfService: false };

  it('is waited for while it speaks, and fenced when it is silent, though its name is alive', async () => {
    hold({ installation: 'x', machine: 'm1' });
    await register({ installation: 'x', machine: 'm3', bootId: 'b2' });
    await expect(detach('x', ready)).rejects.toThrow(/alive .*borne by machine m3 now/);
    await register({ installation: 'x', machine: 'm1', seen: long });
    await register({ installation: 'x', machine: 'm3', bootId: 'b2' });
    await detach('x', ready);
    expect(record()).toBeUndefined();
    const [fence] = await partsAt('x').fences.all(place(), soon());
    expect(fence).toMatchObject({ node: 'w', installation: 'x', machine: 'm1', instance: client.address, made: true });
    expect(fence?.evidence).toContain('replaced by another machine');
  });

  it('is none that had the name for a while and has not spoken since', async () => {
    hold({ installation: 'x', machine: 'm1' });
    await register({ installation: 'x', machine: 'm3', bootId: 'b2', seen: long });
    await register({ installation: 'x', machine: 'm1' });
    await expect(detach('x', { ...ready, bootId: 'b' })).rejects.toThrow(/alive \(Ready, last heard/);
  });
});
