/** Two controllers publish one volume to two nodes at the same moment: exactly one of them wins, each time. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refusal } from '../csi/calls.js';
import { block, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';

const ROUNDS = Number(process.env['BERTH_RACE_ROUNDS'] ?? 100);
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
