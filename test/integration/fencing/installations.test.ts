/**
 * Two installations share a pool, and each has a node of the same name; and a machine that another one has replaced
 * under its name. Of all of them one writes.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { nodesObjectOf } from '../../../src/attachment/nodes/node-objects.js';
import { refusal } from '../csi/calls.js';
import { block, ROX, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { hasSector, putSector } from '../csi/files.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { FencingController, soon } from './fencing-controller.js';

const ROUNDS = Number(process.env['BERTH_INSTALLATION_ROUNDS'] ?? 15);
/** A volume is staged by its winner in every so many rounds: it takes a second. */
const STAGE_EVERY = 10;
const small = { sizeBytes: SMALL_BYTES };
let site: Site;
let here: Driver;
let there: Driver;
let controller: FencingController;

beforeAll(async () => {
  site = await Site.open('inst');
  controller = new FencingController(site, 'out-of-service', 'here');
  const nodeId = `${site.namespace}-worker-1`;
  const worker = (installation: string) =>
    site.driver(`at-${installation}`, { nodeId, arguments: ['--installation', installation] }).start();
  [here, there] = await Promise.all([worker('here'), worker('there')]);
});
afterEach(async () => {
  await controller.liftAll();
  await site.endVolumes();
});
afterAll(async () => {
  await controller.close();
  await site.close();
});

const attach = (volume: Volume, at: Driver): Promise<void> => volume.attach(at, {}, at);
const detach = (volume: Volume, at: Driver, nodeId = at.nodeId) =>
  at.controller.ControllerUnpublishVolume({ volumeId: volume.id, nodeId, secrets: volume.secrets });
const publishedAt = async (volume: Volume, at: Driver): Promise<readonly string[]> =>
  (await at.controller.ControllerGetVolume({ volumeId: volume.id })).status!.publishedNodeIds;
const ofInstallation = (at: Driver): string => (at === here ? 'here' : 'there');

describe('two installations with a node of one name', () => {
  it(`race for a volume with attach and stage: one of them writes, ${ROUNDS} times`, {
    timeout: 120_000 + ROUNDS * 1_000,
  }, async () => {
    const volume = await site.create(here, block(), small);
    for (let round = 0; round < ROUNDS; round += 1) {
      const both = round % 2 === 0 ? [here, there] : [there, here];
      const settled = await Promise.allSettled(both.map((at) => attach(volume, at)));
      const won = both.filter((_, index) => settled[index]!.status === 'fulfilled');
      expect(won, `round ${round}`).toHaveLength(1);
      const winner = won[0]!;
      const loser = both.find((at) => at !== winner)!;
      const lost = settled.find((one) => one.status === 'rejected')!;
      const { status, text } = await refusal(Promise.reject(lost.reason as Error));
      expect(status).toBe('FAILED_PRECONDITION');
      expect(text).toContain(`attached to node ${winner.nodeId} of installation ${ofInstallation(winner)} since`);
      expect((await refusal(volume.stage(loser))).status, `round ${round}`).not.toBe('OK');
      if (round % STAGE_EVERY === 0) {
        await volume.stage(winner);
        await putSector(await volume.publish(winner), 0, `round ${round}`);
        expect((await refusal(volume.stage(loser))).text).toContain(`of installation ${ofInstallation(winner)}`);
        await volume.unpublish(winner);
        await volume.unstage(winner);
      }
      await detach(volume, winner);
    }
  });

  it('see and detach each but their own, and say whose the other is', async () => {
    const volume = await site.create(here, block(), small);
    const device = await volume.bring(here);
    await putSector(device, 0, 'from here');
    expect((await refusal(attach(volume, there))).text).toContain('of installation here');
    expect(await publishedAt(volume, here)).toEqual([here.nodeId]);
    expect(await publishedAt(volume, there)).toEqual([]);
    await detach(volume, there);
    await detach(volume, there, '');
    expect((await controller.record(volume))?.holders).toMatchObject([
      { node: here.nodeId, installation: 'here', state: 'staged' },
    ]);
    const listed = await there.controller.ListVolumes({});
    expect(listed.entries.map((one) => one.volume!.volumeId)).not.toContain(volume.id);
    const { entries } = await here.controller.ListVolumes({});
    const listedHere = entries.find((one) => one.volume!.volumeId === volume.id);
    expect(listedHere?.status?.publishedNodeIds).toEqual([here.nodeId]);
    expect(await hasSector(device, 0, 'from here')).toBe(true);
  });

  it('may both read a volume for several nodes, and leave it one by one', async () => {
    const volume = await site.create(here, block(ROX), small);
    for (const at of [here, there]) await attach(volume, at);
    for (const at of [here, there]) await volume.stage(at);
    expect((await controller.record(volume))?.holders).toHaveLength(2);
    await volume.unstage(there);
    await detach(volume, there);
    expect((await controller.record(volume))?.holders).toMatchObject([{ installation: 'here', state: 'staged' }]);
  });

  it('are both in the registry, and a controller of neither says whose the node is', async () => {
    for (const [at, installation] of [[here, 'here'] as const, [there, 'there'] as const]) {
      const named = { node: at.nodeId, installation, machine: undefined };
      const { registration } = await controller.parts.nodes.find(await controller.registry(), named, soon());
      expect(registration).toMatchObject({ node: at.nodeId, installation });
    }
    const volume = await site.create(here, block(), small);
    const other = await site.driver('third', { services: 'identity,controller' }).start();
    const { status, text } = await refusal(volume.attach(here, {}, other));
    expect(status).toBe('NOT_FOUND');
    expect(text).toMatch(/BERTH_NODE_ELSEWHERE: .* is of installation (here|there); .*--installation/);
    await other.stop();
  });
});

describe('a machine that was replaced under its name', () => {
  it('is fenced by the detach, and its successor is granted the volume then and writes alone', async () => {
    const nodeId = `${site.namespace}-worker-2`;
    const worker = (machine: string) =>
      site.driver(machine, {
        nodeId,
        arguments: ['--installation', 'here', '--machine-id', machine, '--reconcile-interval', '1'],
      });
    const old = await worker('old').start();
    const volume = await site.create(here, block(), small);
    const before = await volume.bring(old);
    await putSector(before, 0, 'from the old');
    const instance = await controller.clientOf(volume, nodeId);
    await old.stop('SIGKILL');
    const successor = await worker('new').start();
    expect((await refusal(volume.stage(successor))).text).toContain('on another machine (old)');
    await expect(controller.detach(volume, nodeId)).rejects.toThrow(/node is alive .*borne by machine new now/);
    await controller.silence(nodeId, 'old');
    const gone = controller.seeing({ observeWatchers: () => Promise.resolve({ watchers: [], settled: true }) });
    await controller.detach(volume, nodeId, gone);
    expect(await controller.until(instance)).toBeDefined();
    expect((await controller.fences())[0]).toMatchObject({ node: nodeId, installation: 'here', machine: 'old' });
    await controller.keeper.round();
    expect((await controller.fences())[0]?.done).toBeUndefined();
    await attach(volume, successor);
    await volume.stage(successor);
    const device = await volume.publish(successor, 'anew');
    await putSector(device, 0, 'from the new');
    await expect(putSector(before, 0, 'thawed')).rejects.toThrow();
    expect((await controller.record(volume))?.holders).toMatchObject([{ node: nodeId, machine: 'new' }]);
    expect(await hasSector(device, 0, 'from the new')).toBe(true);
    await volume.leave(successor);
    await old.start();
    await old.says('this node lost the volume; it is cut off and taken down', volume.id);
  });
});

/** Whoever looks into the omap finds each node's own line. */
it('the registry is readable for a person', async () => {
  const lines = await controller.rbd.listRecords(
    await controller.registry(),
    nodesObjectOf(here.nodeId),
    '',
    1_000,
    soon(),
  );
  const keys = [...lines.keys()].filter((key) => key.includes(`${site.namespace}-worker-1`));
  expect(keys).toContain(`here/${here.nodeId}`);
  expect(keys).toContain(`there/${there.nodeId}`);
});
