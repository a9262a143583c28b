/**
 * Fences on a real cluster: exactly the recorded client stops writing, its neighbours on the same address do not, and
 * it stays out when its node is back, which works by new clients.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FENCES_METRIC } from '../../../src/attachment/fence-keeper.js';
import { FENCE_S, Fences } from '../../../src/attachment/fences.js';
import { block, RWX, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { hasSector, putSector } from '../csi/files.js';
import { Site } from '../csi/site.js';
import { bootId, FencingController, outOfService, soon, view } from './fencing-controller.js';
import { counted } from '../../fakes/counted.js';

const DAY_MS = 86_400_000;
const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let one: Driver;
let two: Driver;
let controller: FencingController;

beforeAll(async () => {
  site = await Site.open('fence');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
  controller = new FencingController(site);
});
beforeEach(() => {
  controller.views.clear();
  controller.announced.length = 0;
});
afterEach(async () => {
  // Nothing of a test stays on the blocklist of the cluster that all of them share.
  await controller.liftAll();
  await site.endVolumes();
});
afterAll(async () => {
  await controller.close();
  await site.close();
});

const waits = (reason: RegExp) => ({
  code: 'BERTH_DETACH_UNPROVEN',
  status: 'ABORTED',
  message: expect.stringMatching(reason) as string,
});

describe('NodeStage, the holder record', () => {
  it('names the client that the cluster sees, this boot, and says so when it was let go', async () => {
    const volume = await site.create(one, block(), small);
    await volume.attach(one);
    expect((await controller.record(volume))!.holders).toMatchObject([{ node: one.nodeId, state: 'granted' }]);
    await volume.stage(one);
    const { watchers } = JSON.parse(await site.rbd('status', volume.image, '--format', 'json')) as {
      watchers: { address: string; client: number }[];
    };
    const clients = watchers.map(({ address, client }) => ({ address, client: `client.${client}` }));
    expect(clients).toHaveLength(1);
    expect((await controller.record(volume))!.holders).toMatchObject([
      { node: one.nodeId, by: 'controller', state: 'staged', bootId: await bootId(), clients },
    ]);
    await volume.unstage(one);
    const [released] = (await controller.record(volume))!.holders;
    // By whom it was open is told on: Ceph may not have forgotten a client that died, and the next stage knows it.
    expect(released).toMatchObject({ state: 'released', clients });
  });
});

describe('ControllerUnpublish, a node that is out of service', () => {
  it('is fenced by its client alone: its writes fail, its neighbour’s and the next node’s do not', async () => {
    const volume = await site.create(one, block(), small);
    const neighbour = await site.create(one, block(), small);
    const [device, other] = [await volume.bring(one), await neighbour.bring(one)];
    await putSector(device, 0, 'before');
    const [instance, beside] = [
      await controller.clientOf(volume, one.nodeId),
      await controller.clientOf(neighbour, one.nodeId),
    ];
    expect(beside.split(':')[0], 'both behind one address').toBe(instance.split(':')[0]);
    controller.views.set(one.nodeId, await outOfService());
    await controller.detach(volume, one.nodeId);
    expect(await controller.record(volume)).toBeUndefined();
    expect(await controller.until(instance)).toBeGreaterThan(Date.now() + (FENCE_S - 3600) * 1000);
    expect(await controller.until(beside)).toBeUndefined();

    await expect(putSector(device, 0, 'after')).rejects.toThrow(/EIO|EPERM|ENOSPC/);
    await putSector(other, 0, 'still here');
    const there = await volume.bring(two);
    await putSector(there, 4096, 'from two');
    await expect(putSector(device, 4096, 'late')).rejects.toThrow();
    expect(await hasSector(there, 0, 'before')).toBe(true);
    expect(await hasSector(there, 4096, 'from two')).toBe(true);

    const [fence] = await controller.fences();
    expect(fence).toMatchObject({ instance, node: one.nodeId, bootId: await bootId(), volume: volume.id });
    expect(fence!.evidence).toMatch(/tainted/);
    expect(controller.announced).toMatchObject([
      { kind: 'Warning', reason: 'NodeFenced', about: { node: one.nodeId } },
    ]);
    expect(await counted(controller.counters, FENCES_METRIC, { what: 'fenced' })).toBe(1);
    await volume.leave(two);
  });

  it('is fenced although its client is not seen any more: a frozen one may thaw', async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    controller.views.set(one.nodeId, await outOfService());
    await controller.detach(
      volume,
      one.nodeId,
      controller.seeing({ observeWatchers: () => Promise.resolve({ watchers: [], settled: true }) }),
    );
    expect(await controller.until(instance)).toBeDefined();
  });

  it('keeps its volume where the policy forbids to fence, or where it is Ready in spite of the taint', async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    controller.views.set(one.nodeId, await outOfService());
    const never = controller.seeing({}, 'never');
    await expect(controller.detach(volume, one.nodeId, never)).rejects.toMatchObject(waits(/fencing is off/));
    controller.views.set(one.nodeId, { ...(await outOfService()), ready: 'true' });
    await expect(controller.detach(volume, one.nodeId)).rejects.toMatchObject(waits(/the node is alive .*tainted/));
    expect(await controller.until(instance)).toBeUndefined();
    expect(controller.announced.map(({ reason }) => reason)).toEqual(['DetachWaits', 'DetachWaits']);
  });

  it('loses a shared volume alone: the other writer of it goes on', async () => {
    const volume = await site.create(one, block(RWX), small);
    const [here, there] = [await volume.bring(one), await volume.bring(two)];
    controller.views.set(one.nodeId, await outOfService());
    await controller.detach(volume, one.nodeId);
    await expect(putSector(here, 0, 'from one')).rejects.toThrow();
    await putSector(there, 0, 'from two');
    expect((await controller.record(volume))!.holders.map(({ node }) => node)).toEqual([two.nodeId]);
  });
});

describe('ControllerUnpublish, a node that may still write', () => {
  it('waits while the node is healthy, naming it and its client, and is done after NodeUnstage', async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    controller.views.set(one.nodeId, await view());
    const told = new RegExp(`stays attached to node ${one.nodeId}: it is staged there.*Ready.*${instance}`);
    await expect(controller.detach(volume, one.nodeId)).rejects.toMatchObject(waits(told));
    await volume.unpublish(one);
    await volume.unstage(one);
    const blind = controller.seeing({ observeWatchers: () => Promise.reject(new Error('nobody asks')) });
    await controller.detach(volume, one.nodeId, blind);
    expect(await controller.record(volume)).toBeUndefined();
  });

  it('waits while who watches cannot be told, also where the node is out of service: never "gone"', async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    controller.views.set(one.nodeId, await outOfService());
    const electing = controller.seeing({ observeWatchers: () => Promise.resolve({ watchers: [], settled: false }) });
    await expect(controller.detach(volume, one.nodeId, electing)).rejects.toMatchObject(waits(/monitors elected/));
    const failing = controller.seeing({ observeWatchers: () => Promise.reject(new Error('no OSD')) });
    await expect(controller.detach(volume, one.nodeId, failing)).rejects.toMatchObject(waits(/could not be listed/));
    expect(await controller.until(instance)).toBeUndefined();
  });
});

describe('ControllerUnpublish', () => {
  it('of a node that is nowhere any more is proved by a fence, and of one that never was is a success', async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    await controller.detach(volume, 'never-was');
    controller.views.set(one.nodeId, 'absent');
    await expect(controller.detach(volume, one.nodeId)).rejects.toMatchObject(waits(/alive .*no such Node object/));
    await controller.forget(one.nodeId);
    await expect(controller.detach(volume, one.nodeId)).rejects.toMatchObject(waits(/its node has gone.*watches it/));
    await one.stop('SIGKILL');
    const gone = controller.seeing({ observeWatchers: () => Promise.resolve({ watchers: [], settled: true }) });
    await controller.detach(volume, one.nodeId, gone);
    expect(await controller.until(instance)).toBeDefined();
    await one.start();
  });

  it('of a deleted volume is a success, and an empty node id means every node', async () => {
    const volume = await site.create(one, block(RWX), small);
    for (const node of [one, two]) await volume.attach(node);
    await controller.detach(volume, '');
    expect(await controller.record(volume)).toBeUndefined();
    await volume.delete();
    await controller.detach(volume, one.nodeId);
    await controller.detach(volume, '');
  });
});

describe('a fence, once ControllerUnpublish has made it,', () => {
  const fenced = async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    controller.views.set(one.nodeId, await outOfService());
    await controller.detach(volume, one.nodeId);
    return { volume, instance };
  };

  it('is left to lapse when the node has let go of that client, which stays out: it works by a new one', async () => {
    const { volume, instance } = await fenced();
    await one.stop();
    await one.start();
    await controller.keeper.round();
    expect((await controller.fences())[0]?.done, 'still mapped').toBeUndefined();
    const until = await controller.until(instance);
    expect(until).toBeDefined();
    await volume.unpublish(one);
    await volume.unstage(one);
    await one.stop();
    await one.start();
    await controller.keeper.round();
    await controller.keeper.round();
    expect(await controller.until(instance), 'for as long as it was to be').toBe(until);
    const why = expect.stringMatching(/let go of that client/) as string;
    expect(await controller.fences()).toMatchObject([{ instance, made: true, done: { why } }]);
    // A driver that starts has a keeper as well, and may have seen it first: it announces to its own log then.
    const told = controller.announced.some(
      ({ kind, reason, about }) => kind === 'Normal' && reason === 'NodeUnfenced' && about.node === one.nodeId,
    );
    const says = async (driver: Driver): Promise<boolean> =>
      (await driver.log())
        .split('\n')
        .some((line) => line.includes('a fence has done its work') && line.includes(instance));
    await expect.poll(async () => told || (await says(one)) || (await says(two))).toBe(true);
    const device = await volume.bring(one);
    expect(await controller.clientOf(volume, one.nodeId)).not.toBe(instance);
    await putSector(device, 0, 'used again');
  });

  it('is forgotten once the cluster has', async () => {
    const { volume, instance } = await fenced();
    await one.stop();
    await controller.registerBoot(one.nodeId, 'another');
    await controller.keeper.round();
    expect(await controller.fences()).toMatchObject([{ instance, done: {} }]);
    const { access } = await controller.registry();
    await controller.rbd.unblocklist(access, instance, soon());
    await controller.keeper.round();
    expect(await controller.fences()).toEqual([]);
    expect(await controller.until(instance), 'not renewed').toBeUndefined();
    await one.start();
    await volume.unpublish(one);
  });

  it('is renewed before it lapses, and one of an hour by somebody else is made to last', async () => {
    const { instance } = await fenced();
    const { access } = await controller.registry();
    await controller.rbd.unblocklist(access, instance, soon());
    await controller.rbd.blocklist(access, instance, 3600, soon());
    await controller.keeper.round();
    expect(await controller.until(instance)).toBeGreaterThan(Date.now() + 29 * DAY_MS);
    await controller.rbd.unblocklist(access, instance, soon());
    await controller.keeper.round();
    expect(await controller.until(instance)).toBeGreaterThan(Date.now() + 29 * DAY_MS);
  });

  it('covers what it was made for before, when it is made for another volume that cannot be fenced now', async () => {
    const { volume, instance } = await fenced();
    const registry = await controller.registry();
    const holder = { node: one.nodeId, since: '', by: 'controller', state: 'staged' } as const;
    const clients = [{ address: instance, client: 'client.1' }];
    const request = { volume: `${volume.id}-2`, holder, clients, evidence: 'a test', heard: undefined };
    const blind = new Fences({ ...controller.rbd, blocklisted: () => Promise.resolve([]) });
    await expect(blind.fence(registry, request, soon())).rejects.toMatchObject({ code: 'BERTH_FENCE_FAILED' });
    expect([...(await controller.parts.fences.standing(registry, [instance], soon())).keys()]).toEqual([instance]);
    expect(await controller.fences()).toMatchObject([
      { volume: `${volume.id}-2`, made: true, also: [{ volume: volume.id }] },
    ]);
  });
});

describe('ControllerUnpublish, a node that was booted anew,', () => {
  const rebooted = async () => {
    const volume = await site.create(one, block(), small);
    await volume.bring(one);
    const instance = await controller.clientOf(volume, one.nodeId);
    await one.stop('SIGKILL');
    await controller.registerBoot(one.nodeId, 'another');
    return { volume, instance };
  };
  const unwatched = { observeWatchers: () => Promise.resolve({ watchers: [], settled: true }) };

  it('is fenced before another node gets the volume', async () => {
    const { volume, instance } = await rebooted();
    await controller.detach(volume, one.nodeId, controller.seeing(unwatched));
    expect(await controller.record(volume)).toBeUndefined();
    expect(await controller.until(instance)).toBeDefined();
    expect((await controller.fences())[0]!.evidence).toMatch(/booted anew/);
    await one.start();
  });

  it('is not fenced with the policy never, and gone nevertheless', async () => {
    const { volume, instance } = await rebooted();
    await controller.detach(volume, one.nodeId, controller.seeing(unwatched, 'never'));
    expect(await controller.record(volume)).toBeUndefined();
    expect(await controller.until(instance)).toBeUndefined();
    await one.start();
  });
});
