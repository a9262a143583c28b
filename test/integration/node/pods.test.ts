/**
 * A node starts BERTH_PODS pods at once, is restarted, loses its power and ends them at once; meanwhile half as many
 * volumes come and go elsewhere. Nothing fails for good, memory and children are bounded, nothing is left.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts, type Mount } from '../../../src/host/mount/mountinfo.js';
import { workThrough } from '../../../src/model/settle-all.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import { Kubelet } from '../reconcile/kubelet.js';
import { cutPower, logged, rounds } from '../reconcile/power.js';
import { mostAtATime } from './children-at-a-time.js';
import { describeFootprint, footprintOf, highestMiB } from './footprint.js';
import { atOnce, Pod } from './pods.js';
import { childrenSince, logLength, servedFiles } from './storage-daemon.js';

/** 100 by `npm run test:full`; 500 need a machine of their own, for the mapper of development opens one at a time. */
const COUNT = Number(process.env['BERTH_PODS'] ?? 6);
/** After a power cut Ceph keeps the node's client for 30 s: the long run alone waits for that. */
const LOSES_POWER = COUNT >= 50;
/** Volumes that are made at the same time. */
const LANES = 16;
/** A try of the kubelet and some pauses for each; much more than a busy machine needs. */
const STORM_MS = 600_000 + COUNT * 10_000;
/** As in the image. */
const NODE_OPTIONS = '--max-semi-space-size=2 --max-old-space-size=96';
/** The most that a driver without volumes may grow to while they all start, MiB: half of what the manifests give it. */
const MOST_MIB = 512;

let site: Site;
let controller: Driver;
let node: Driver;
let pods: readonly Pod[];
/** Volumes of another node, which nobody stages. */
let others: readonly Pod[];
const repeats = new Map<string, number>();
/** What a start costs a node without volumes. */
let childrenOfStart: readonly string[];

beforeAll(async () => {
  site = await Site.open('pods');
  const kubelet = new Kubelet(await site.kubelet());
  const log = ['--log-level', 'debug'];
  controller = await site.driver('controller', { services: 'identity,controller', arguments: log }).start();
  const nodeArguments = ['--kubelet-dir', kubelet.root, '--reconcile-interval', '15', ...log];
  const options = { services: 'identity,node', arguments: nodeArguments, env: { NODE_OPTIONS } };
  node = await site.driver('node', options).start();
  const elsewhere = await site.driver('elsewhere', options).start();
  await rounds(node, 1);
  childrenOfStart = await childrenSince(node, 0);
  const parts = { controller, kubelet, secrets: site.secrets(), repeats };
  const made: Pod[] = [];
  const create = async (at: number): Promise<void> => {
    const request = site.request(ext4(), { sizeBytes: SMALL_BYTES });
    const { volume } = await controller.controller.CreateVolume(request);
    made[at] = new Pod({ ...parts, node: at < COUNT ? node : elsewhere }, volume!.volumeId, `pod-${at}`);
  };
  const begun = performance.now();
  await workThrough(Array.from({ length: Math.ceil(COUNT * 1.5) }).keys(), LANES, create);
  say(`${made.length} volumes made`, performance.now() - begun);
  pods = made.slice(0, COUNT);
  others = made.slice(COUNT);
}, STORM_MS);
afterAll(() => site.close(), STORM_MS);

/** One line, so that the time is seen in every run. */
const say = (what: string, ms: number): void => void process.stdout.write(`${what}: ${(ms / 1000).toFixed(1)} s\n`);
const sayRepeats = (): void => {
  process.stdout.write(`told to come again: ${JSON.stringify(Object.fromEntries(repeats))}\n`);
  repeats.clear();
};

/** Once a minute it is tried whether the kernel can do rbd by now. */
const withoutModprobe = (commands: readonly string[]): readonly string[] =>
  commands.filter((command) => command !== 'modprobe rbd').toSorted();

const allMounts = async (): Promise<readonly Mount[]> =>
  (await readMounts()).filter(({ target }) => target.startsWith(`${site.directory}/`));
const mounts = async (): Promise<readonly string[]> =>
  (await allMounts()).filter(({ source }) => source.startsWith('/dev/loop')).map(({ target }) => target);
const loops = async (): Promise<readonly string[]> =>
  (await findLoops()).map(({ file }) => file).filter((file) => file.startsWith(`${node.stateDir}/`));
const entries = async (): Promise<number> =>
  (await readdir(path.join(node.stateDir, 'journal'))).filter((name) => name.endsWith('.json')).length;

/** Each volume is mapped and mounted once, and published once. */
async function expectAllThere(): Promise<void> {
  const all = await mounts();
  expect(all).toHaveLength(2 * COUNT);
  expect(new Set(all).size).toBe(2 * COUNT);
  expect(new Set(await loops()).size).toBe(COUNT);
  expect(await servedFiles(node)).toHaveLength(COUNT);
  expect(await entries()).toBe(COUNT);
}

describe(`${COUNT} pods of one node`, () => {
  it('start at once while half as many volumes are attached, detached and deleted: none fails', {
    timeout: STORM_MS,
  }, async () => {
    const before = await footprintOf(node);
    const start = async (pod: Pod): Promise<void> => {
      await pod.attach();
      await pod.start();
    };
    const comeAndGo = async (pod: Pod): Promise<void> => {
      await pod.attach();
      await pod.detach();
      await pod.delete();
    };
    const [ms, beside] = await Promise.all([atOnce(pods, start), atOnce(others, comeAndGo)]);
    say(`${COUNT} pods started`, ms);
    say(`${others.length} volumes came and went beside them`, beside);
    sayRepeats();
    process.stdout.write(describeFootprint('before', before));
    process.stdout.write(describeFootprint('with all of them', await footprintOf(node)));
    const most = await highestMiB(node.pid);
    const { children, allowed } = await mostAtATime(node);
    process.stdout.write(`at most ${Math.round(most)} MiB of the driver and ${children} children at a time\n`);
    await expectAllThere();
    expect(most).toBeLessThan(MOST_MIB);
    expect(children).toBeLessThanOrEqual(allowed);
    await atOnce(pods, (pod) => pod.write());
  });

  it('driver killed and started again: each volume is taken up as it is, by no child', {
    timeout: STORM_MS,
  }, async () => {
    const mounted = await allMounts();
    await node.stop('SIGKILL');
    const from = (await node.log()).length;
    const begun = performance.now();
    await node.start();
    say('the driver is ready', performance.now() - begun);
    await rounds(node, 1);
    expect(withoutModprobe(await childrenSince(node, from))).toEqual(withoutModprobe(childrenOfStart));
    const round = (await logged(node, 'reconciliation round')).at(-1);
    process.stdout.write(`its first round: ${JSON.stringify(round)}\n`);
    expect(round).toMatchObject({ volumes: COUNT, mappings: COUNT, done: 0, failed: 0, reports: 0 });
    expect(await allMounts()).toEqual(mounted);
    // A kubelet that was restarted as well asks for all of it again.
    const again = await logLength(node);
    say('all asked again', await atOnce(pods, (pod) => pod.start()));
    sayRepeats();
    expect(withoutModprobe(await childrenSince(node, again))).toEqual([]);
    await expectAllThere();
  });

  it.runIf(LOSES_POWER)(
    'the node loses its power and comes back: all start again, with their data',
    { timeout: STORM_MS },
    async () => {
      await cutPower(node);
      expect(await mounts()).toEqual([]);
      await node.start();
      say(`${COUNT} pods started after a power cut`, await atOnce(pods, (pod) => pod.start()));
      sayRepeats();
      await expectAllThere();
      for (const pod of pods) expect(await pod.hasWritten(), pod.volumeId).toBe(true);
    },
  );

  it('end at once and are deleted: nothing is left', { timeout: STORM_MS }, async () => {
    const ms = await atOnce(pods, async (pod) => {
      await pod.end();
      await pod.detach();
      await pod.delete();
    });
    say(`${COUNT} pods ended and their volumes deleted`, ms);
    sayRepeats();
    process.stdout.write(describeFootprint('after all of them', await footprintOf(node)));
    const { children, allowed } = await mostAtATime(node);
    expect(children).toBeLessThanOrEqual(allowed);
    expect(await highestMiB(node.pid)).toBeLessThan(MOST_MIB);
    expect(await mounts()).toEqual([]);
    expect(await loops()).toEqual([]);
    expect(await servedFiles(node)).toEqual([]);
    expect(await entries()).toBe(0);
    expect(await site.images()).toEqual([]);
  });
});
