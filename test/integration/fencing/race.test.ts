/** Many nodes and one volume at the same moment: a single-node volume gets one of them, a shared one gets all. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refusal } from '../csi/calls.js';
import { block, ROX, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import { nodesObjectOf } from '../../../src/attachment/nodes/node-objects.js';
import { attachVolume } from '../../../src/volume/controller/attach-volume.js';
import { detachVolume } from '../../../src/volume/controller/detach/detach-volume.js';
import { FencingController, soon } from './fencing-controller.js';

const ROUNDS = Number(process.env['BERTH_RACE_ROUNDS'] ?? 30);
const READERS = Number(process.env['BERTH_RACE_READERS'] ?? 60);
let site: Site;
let one: Driver;
let two: Driver;

beforeAll(async () => {
  site = await Site.open('publish');
  [one, two] = await Promise.all([site.driver('node-one').start(), site.driver('node-two').start()]);
});
afterAll(() => site.close());

it(`ControllerPublish, two controllers, a single-node volume: exactly one wins, ${ROUNDS} times`, {
  timeout: 60_000 + ROUNDS * 200,
}, async () => {
  const volume = await site.create(one, block(), { sizeBytes: SMALL_BYTES });
  const wins = new Map([one, two].map((driver) => [driver.nodeId, 0]));
  for (let round = 0; round < ROUNDS; round += 1) {
    const drivers = round % 2 === 0 ? [one, two] : [two, one];
    const settled = await Promise.allSettled(drivers.map((driver) => volume.attach(driver, {}, driver)));
    const won = drivers.filter((_, index) => settled[index]!.status === 'fulfilled');
    expect(won, `round ${round}`).toHaveLength(1);
    const [winner] = won;
    const lost = settled.find((result) => result.status === 'rejected')!;
    const { status, text } = await refusal(Promise.reject(lost.reason as Error));
    expect(status).toBe('FAILED_PRECONDITION');
    expect(text).toContain(`is attached to node ${winner!.nodeId}`);
    const { status: shown } = await one.controller.ControllerGetVolume({ volumeId: volume.id });
    expect(shown!.publishedNodeIds).toEqual([winner!.nodeId]);
    wins.set(winner!.nodeId, wins.get(winner!.nodeId)! + 1);
    await volume.detach(winner!);
  }
  expect([...wins.values()].reduce((sum, count) => sum + count, 0)).toBe(ROUNDS);
  await site.endVolumes();
});

it(`${READERS} nodes are attached to one volume for readers at once, and detached: no call is refused`, async () => {
  const volume = await site.create(one, block(ROX), { sizeBytes: SMALL_BYTES });
  const controller = new FencingController(site);
  try {
    const nodes = Array.from({ length: READERS }, (_, n) => `reader-${n}`);
    const registry = await controller.registry();
    const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
    for (const node of nodes) await controller.parts.nodes.register(registry, { node, ...more }, soon());
    const capability = { mode: 'MULTI_NODE_READER_ONLY', access: { kind: 'block' } } as const;
    const asked = (node: string) => ({ volume: volume.id, node, capability, readOnly: true, secrets: undefined });
    await Promise.all(nodes.map((node) => attachVolume(controller.parts, asked(node), soon())));
    const holders = (await controller.record(volume))?.holders.map(({ node }) => node) ?? [];
    expect(holders.sort()).toEqual(nodes.sort());
    const left = (node: string) => ({ volume: volume.id, node, secrets: undefined });
    await Promise.all(nodes.map((node) => detachVolume(controller.parts, left(node), soon())));
    expect(await controller.record(volume)).toBeUndefined();
    for (const node of nodes) await controller.rbd.removeRecords(registry, nodesObjectOf(node), [node], soon());
  } finally {
    await controller.rbd.close();
    await site.endVolumes();
  }
});
