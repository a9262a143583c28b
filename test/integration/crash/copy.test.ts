/**
 * kill -9 of the controller at every step of a create from a source: the retry has the volume, with the data of the
 * source, and nothing of the making is left at the source.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { VolumeContentSource } from '../../../src/csi/gen/csi/v1/VolumeContentSource.js';
import { ANSWER, CONTROLLER_STEPS, START } from '../../../src/volume/operation/steps.js';
import { sampled } from '../../crash/sampled.js';
import { ext4, MiB, SMALL_BYTES } from '../csi/capabilities.js';
import { get, put } from '../csi/files.js';
import { GarbageSearch } from '../csi/garbage-search.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { LoopNode } from './loop-node.js';

let site: Site;
let node: LoopNode;
let origin: Volume;
let garbage: GarbageSearch;
const made: Volume[] = [];

beforeAll(async () => {
  site = await Site.open('cut-c');
  garbage = new GarbageSearch(site.clustersFile);
  node = new LoopNode(site, await site.driver('node-one', { env: { BERTH_CHAIN_LIMITS: '1,0' } }).start());
  origin = await site.create(node.driver, ext4(), { sizeBytes: SMALL_BYTES });
  await put(await origin.bring(node.driver), 'of the source');
  await origin.leave(node.driver);
});
afterAll(async () => {
  await garbage.close();
  await node.restart();
  for (const copy of made) await copy.end();
  // Who removes a copy opens its source for a moment, and a delete refuses what somebody has open.
  await vi.waitFor(async () => expect(await site.deleted()).toEqual([]), { timeout: 60_000, interval: 250 });
  await site.close();
});

/** Those of other ways to make a volume, and what only a race of two comes to. */
const ELSEWHERE = ['pool capacity', 'try mkfs', 'create image', 'clear away unfinished', 'drop cut'];
const STEPS = [START, ...CONTROLLER_STEPS.create.filter((step) => !ELSEWHERE.includes(step)), ANSWER];

it.each(sampled(STEPS))('CreateVolume from a volume, killed at %s: the next one has it whole', async (step) => {
  const volumeContentSource: VolumeContentSource = { volume: { volumeId: origin.id } };
  const request = { ...site.request(ext4(), { sizeBytes: SMALL_BYTES + 16 * MiB }), volumeContentSource };
  await node.restart(`create:${step}`);
  await node.dies(() => node.driver.controller.CreateVolume(request));
  await node.restart();
  await expect
    .poll(() => node.driver.controller.CreateVolume(request).catch((error: unknown) => String(error)), {
      timeout: 60_000,
    })
    .toMatchObject({ volume: { contentSource: volumeContentSource } });
  const { volume } = await node.driver.controller.CreateVolume(request);
  const copy = site.adopt(volume!.volumeId, ext4(), node.driver);
  made.push(copy);
  expect(await get(await copy.bring(node.driver))).toBe('of the source');
  await copy.leave(node.driver);
  const snapshots = await site.rbd('snap', 'ls', '--format', 'json', origin.image);
  expect(JSON.parse(snapshots)).toEqual([]);
  expect(await garbage.report()).toEqual([]);
});
