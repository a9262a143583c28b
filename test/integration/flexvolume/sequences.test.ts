/**
 * Whole sequences of call-outs, many times over, repeated, interleaved and in wrong orders: one line each, and nothing
 * left.
 */
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { settleAll } from '../../../src/model/settle-all.js';
import type { Answer } from '../../../flexvolume/answer.js';
import {
  comesAttached,
  deviceDirectory,
  goesAttached,
  podDirectory,
  specJson,
  type KubeletPod,
} from '../../../src/dev/flexvolume/kubelet-pod.js';
import { get, put } from '../csi/files.js';
import type { Volume } from '../csi/volume.js';
import { FlexNode } from './flex-node.js';

const ROUNDS = Number(process.env['BERTH_FLEX_ROUNDS'] ?? 4);
const LANES = 4;
/** A host's driver: what is not hyper~cephrbd mounts on the node. */
const HOST = 'berth~rbd';
const SUCCESS: Answer = { status: 'Success' };

let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('flexs');
});
afterAll(() => flex.close());

async function leavesNothing(volumes: readonly Volume[]): Promise<void> {
  expect(await flex.journal()).toEqual([]);
  const names = volumes.map(({ image }) => path.basename(image));
  expect((await findLoops()).filter(({ file }) => names.some((name) => file.endsWith(`:${name}`)))).toEqual([]);
  expect((await readMounts()).filter(({ target }) => target.startsWith(`${flex.root}/`))).toEqual([]);
  const left = await readdir(flex.root, { recursive: true, withFileTypes: true });
  expect(left.filter((one) => !one.isDirectory()).map(({ name }) => name)).toEqual([]);
  for (const volume of volumes) expect(await flex.holder(volume), volume.id).toBeUndefined();
}

/** Numbers that are the same in every run. */
function chances(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

async function round(volume: Volume, driver: string, chance: (below: number) => number): Promise<void> {
  const version = chance(2) === 0 ? '1.11' : '1.20';
  const [pod, other] = [flex.pod(volume.image, { driver }), flex.pod(volume.image, { driver })];
  if (chance(3) === 0) expect(await flex.unmount(pod)).toEqual(SUCCESS);
  if (chance(3) === 0) {
    const both = await Promise.all([flex.mount(pod, version), flex.mount(pod, version)]);
    expect(both).toEqual([SUCCESS, SUCCESS]);
  } else expect(await flex.mount(pod, version)).toEqual(SUCCESS);
  if (chance(3) === 0) expect(await flex.mount(pod, version)).toEqual(SUCCESS);
  if (chance(3) === 0) {
    const second = await flex.mount(other, version);
    expect(second.status).toBe(driver === HOST ? 'Success' : 'Failure');
    expect(await flex.unmount(other)).toEqual(SUCCESS);
  }
  if (chance(4) === 0) {
    const [gone, come] = await Promise.all([flex.unmount(pod), flex.mount(other, version)]);
    expect(gone.status === 'Success' || /BERTH_BUSY/.test(gone.message ?? ''), gone.message).toBe(true);
    expect(come.status === 'Success' || /BERTH_(BUSY|VOLUME_IN_USE|NOT_STAGED)/.test(come.message ?? '')).toBe(true);
    await expect.poll(() => flex.unmount(other)).toEqual(SUCCESS);
  }
  await expect.poll(() => flex.unmount(pod)).toEqual(SUCCESS);
  if (chance(3) === 0) expect(await flex.unmount(pod)).toEqual(SUCCESS);
}

describe.each(['hyper~cephrbd', HOST])('FlexVolume mount and unmount, pods of %s', (driver) => {
  it(`come and go ${ROUNDS} times in every order and leave nothing`, async () => {
    // Not by finally: what cannot be ended would hide why.
    onTestFinished(() => flex.site.endVolumes());
    const volumes = await Promise.all(Array.from({ length: LANES }, () => flex.create()));
    const lane = async (volume: Volume, index: number): Promise<void> => {
      const chance = chances(index + 1);
      for (let i = 0; i < ROUNDS / LANES; i += 1) await round(volume, driver, chance);
    };
    await settleAll(...volumes.map(lane));
    await leavesNothing(volumes);
  }, 600_000);
});

describe('FlexVolume mount and unmount, a pod on the host', () => {
  it('finds what another wrote, by the same image, and shares the node with it', async () => {
    const volume = await flex.create();
    const [first, second] = [flex.pod(volume.image, { driver: HOST }), flex.pod(volume.image, { driver: HOST })];
    expect(await flex.mount(first)).toEqual(SUCCESS);
    await put(podDirectory(first), 'hello');
    expect(await flex.mount(second)).toEqual(SUCCESS);
    expect(await get(podDirectory(second))).toBe('hello');
    expect(await flex.unmount(first)).toEqual(SUCCESS);
    expect(await get(podDirectory(second))).toBe('hello');
    expect(await flex.unmount(second)).toEqual(SUCCESS);
    await leavesNothing([volume]);
    await volume.bring(flex.driver);
    expect(await get(await flex.driver.targetPath(volume.id, 'pod'))).toBe('hello');
    await flex.site.endVolumes();
  });

  it('leaves by the kernel alone where the journal was lost', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { driver: HOST });
    await flex.mount(pod);
    await rm(path.join(flex.driver.stateDir, 'journal'), { recursive: true });
    await mkdir(path.join(flex.driver.stateDir, 'journal'));
    expect(await flex.unmount(pod)).toEqual(SUCCESS);
    expect((await readMounts()).filter(({ target }) => target.startsWith(`${flex.root}/`))).toEqual([]);
    // The record itself says that this node took it.
    expect(await flex.holder(volume)).toBeUndefined();
    await flex.site.endVolumes();
  });
});

describe.each(['1.11', '1.20'] as const)('an attachable driver under kubelet %s', (version) => {
  it.each(['hyper~cephrbd', HOST])('brings and takes %s by the whole sequence, each call repeated', async (driver) => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { driver, volume: `pv-${version}` });
    let device = '';
    const call = async (args: readonly string[]): Promise<Answer> => {
      for (const directory of [podDirectory(pod), deviceDirectory(pod)]) {
        if (args.includes(directory) && args[0]?.startsWith('mount')) await mkdir(directory, { recursive: true });
      }
      return flex.call(args, driver, true);
    };
    for (const args of comesAttached(pod, 'DEVICE', version)) {
      const asked = args.map((one) => (one === 'DEVICE' ? device : one));
      const answer = await call(asked);
      expect(await call(asked)).toEqual(answer);
      if (args[0] === 'getvolumename') expect(answer.status).toBe('Not supported');
      else expect(answer.status, `${args[0] ?? ''}: ${answer.message ?? ''}`).toBe('Success');
      if (args[0] === 'attach') device = answer.device ?? '';
      if (args[0] === 'isattached') expect(answer.attached).toBe(true);
    }
    expect(device).toBe(`rbd:${volume.image}`);
    expect((await flex.holder(volume))?.holders).toMatchObject([{ node: pod.node, by: 'controller' }]);
    const other: KubeletPod = { ...pod, node: 'node-two' };
    expect((await call(['isattached', specJson(other), other.node])).attached).toBe(false);
    expect((await call(['detach', 'no-such-volume', pod.node])).status).toBe('Success');
    for (const args of goesAttached(pod)) {
      expect(await call(args), args[0]).toEqual(SUCCESS);
      expect(await call(args), args[0]).toEqual(SUCCESS);
    }
    expect((await call(['isattached', specJson(pod), pod.node])).attached).toBe(false);
    await leavesNothing([volume]);
    await flex.site.endVolumes();
  });

  it('refuses a second volume of one name while the first is attached', async () => {
    const [one, two] = [await flex.create(), await flex.create()];
    const [first, second] = [one, two].map(({ image }) => flex.pod(image, { volume: `same-${version}` }));
    if (first === undefined || second === undefined) throw new Error('unreachable');
    expect((await flex.call(['attach', specJson(first), first.node], undefined, true)).status).toBe('Success');
    const refused = await flex.call(['attach', specJson(second), second.node], undefined, true);
    expect(refused.message).toMatch(/^BERTH_FIELD_INVALID: options.kubernetes.io\/pvOrVolumeName/);
    await flex.call(['detach', `same-${version}`, first.node], undefined, true);
    expect((await flex.call(['attach', specJson(second), second.node], undefined, true)).status).toBe('Success');
    await flex.call(['detach', `same-${version}`, second.node], undefined, true);
    await flex.site.endVolumes();
  });
});

describe('FlexVolume mount, growth', () => {
  it('ControllerExpand before: done when the volume is mounted next', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image, { driver: HOST });
    await flex.mount(pod);
    await flex.unmount(pod);
    const [bytes, before] = ['134217728', '67108864'];
    const grown = await flex.call(['expandvolume', specJson(pod), '', bytes, before], HOST, true);
    expect(grown).toEqual({ status: 'Success', volumeNewSize: Number(bytes) });
    const handed = flex.pod(volume.image);
    const onHost = flex.pod(volume.image, { driver: HOST, options: { allowHostMount: 'true' } });
    expect(await flex.mount(handed)).toEqual(SUCCESS);
    expect(await flex.call(['expandfs', specJson(handed), '', '', bytes, before], undefined, true)).toEqual(SUCCESS);
    await flex.unmount(handed);
    expect(await flex.mount(onHost)).toEqual(SUCCESS);
    const { blocks, bsize } = await statfs(podDirectory(onHost));
    expect(blocks * bsize).toBeGreaterThan(100_000_000);
    const wrong = await flex.call(['expandvolume', specJson(pod), '', 'many', before], HOST, true);
    expect(wrong.message).toMatch(/^BERTH_FIELD_INVALID: new size/);
    await flex.unmount(onHost);
    await flex.site.endVolumes();
  });
});
