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
} from '../../flexvolume/kubelet.js';
import { get, put } from '../csi/files.js';
import type { Volume } from '../csi/volume.js';
import { FlexGround } from './ground.js';

const ROUNDS = Number(process.env['BERTH_FLEX_ROUNDS'] ?? 30);
const LANES = 4;
/** A host's driver: what is not hyper~cephrbd mounts on the node. */
const HOST = 'berth~rbd';
const SUCCESS: Answer = { status: 'Success' };

let ground: FlexGround;

beforeAll(async () => {
  ground = await FlexGround.open('flexs');
});
afterAll(() => ground.close());

async function leavesNothing(volumes: readonly Volume[]): Promise<void> {
  expect(await ground.journal()).toEqual([]);
  const names = volumes.map(({ image }) => path.basename(image));
  expect((await findLoops()).filter(({ file }) => names.some((name) => file.endsWith(`:${name}`)))).toEqual([]);
  expect((await readMounts()).filter(({ target }) => target.startsWith(ground.root))).toEqual([]);
  const left = await readdir(ground.root, { recursive: true, withFileTypes: true });
  expect(left.filter((one) => !one.isDirectory()).map(({ name }) => name)).toEqual([]);
  for (const volume of volumes) expect(await ground.holder(volume), volume.id).toBeUndefined();
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
  const [pod, other] = [ground.pod(volume.image, { driver }), ground.pod(volume.image, { driver })];
  if (chance(3) === 0) expect(await ground.unmount(pod)).toEqual(SUCCESS);
  if (chance(3) === 0) {
    const both = await Promise.all([ground.mount(pod, version), ground.mount(pod, version)]);
    expect(both).toEqual([SUCCESS, SUCCESS]);
  } else expect(await ground.mount(pod, version)).toEqual(SUCCESS);
  if (chance(3) === 0) expect(await ground.mount(pod, version)).toEqual(SUCCESS);
  if (chance(3) === 0) {
    const second = await ground.mount(other, version);
    expect(second.status).toBe(driver === HOST ? 'Success' : 'Failure');
    expect(await ground.unmount(other)).toEqual(SUCCESS);
  }
  if (chance(4) === 0) {
    const [gone, come] = await Promise.all([ground.unmount(pod), ground.mount(other, version)]);
    expect(gone.status === 'Success' || /BERTH_BUSY/.test(gone.message ?? ''), gone.message).toBe(true);
    expect(come.status === 'Success' || /BERTH_(BUSY|VOLUME_IN_USE|NOT_STAGED)/.test(come.message ?? '')).toBe(true);
    await expect.poll(() => ground.unmount(other)).toEqual(SUCCESS);
  }
  await expect.poll(() => ground.unmount(pod)).toEqual(SUCCESS);
  if (chance(3) === 0) expect(await ground.unmount(pod)).toEqual(SUCCESS);
}

describe.each(['hyper~cephrbd', HOST])('FlexVolume mount and unmount, pods of %s', (driver) => {
  it(`come and go ${ROUNDS} times in every order and leave nothing`, async () => {
    // Not by finally: what cannot be ended would hide why.
    onTestFinished(() => ground.site.endVolumes());
    const volumes = await Promise.all(Array.from({ length: LANES }, () => ground.create()));
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
    const volume = await ground.create();
    const [first, second] = [ground.pod(volume.image, { driver: HOST }), ground.pod(volume.image, { driver: HOST })];
    expect(await ground.mount(first)).toEqual(SUCCESS);
    await put(podDirectory(first), 'hello');
    expect(await ground.mount(second)).toEqual(SUCCESS);
    expect(await get(podDirectory(second))).toBe('hello');
    expect(await ground.unmount(first)).toEqual(SUCCESS);
    expect(await get(podDirectory(second))).toBe('hello');
    expect(await ground.unmount(second)).toEqual(SUCCESS);
    await leavesNothing([volume]);
    await volume.bring(ground.driver);
    expect(await get(await ground.driver.targetPath(volume.id, 'pod'))).toBe('hello');
    await ground.site.endVolumes();
  });

  it('leaves by the kernel alone where the journal was lost', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { driver: HOST });
    await ground.mount(pod);
    await rm(path.join(ground.driver.stateDir, 'journal'), { recursive: true });
    await mkdir(path.join(ground.driver.stateDir, 'journal'));
    expect(await ground.unmount(pod)).toEqual(SUCCESS);
    expect((await readMounts()).filter(({ target }) => target.startsWith(ground.root))).toEqual([]);
    // The record itself says that this node took it.
    expect(await ground.holder(volume)).toBeUndefined();
    await ground.site.endVolumes();
  });
});

describe.each(['1.11', '1.20'] as const)('an attachable driver under kubelet %s', (version) => {
  it.each(['hyper~cephrbd', HOST])('brings and takes %s by the whole sequence, each call repeated', async (driver) => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { driver, volume: `pv-${version}` });
    let device = '';
    const call = async (args: readonly string[]): Promise<Answer> => {
      for (const directory of [podDirectory(pod), deviceDirectory(pod)]) {
        if (args.includes(directory) && args[0]?.startsWith('mount')) await mkdir(directory, { recursive: true });
      }
      return ground.call(args, driver, true);
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
    expect((await ground.holder(volume))?.holders).toMatchObject([{ node: pod.node, by: 'controller' }]);
    const other: KubeletPod = { ...pod, node: 'node-two' };
    expect((await call(['isattached', specJson(other), other.node])).attached).toBe(false);
    expect((await call(['detach', 'no-such-volume', pod.node])).status).toBe('Success');
    for (const args of goesAttached(pod)) {
      expect(await call(args), args[0]).toEqual(SUCCESS);
      expect(await call(args), args[0]).toEqual(SUCCESS);
    }
    expect((await call(['isattached', specJson(pod), pod.node])).attached).toBe(false);
    await leavesNothing([volume]);
    await ground.site.endVolumes();
  });

  it('refuses a second volume of one name while the first is attached', async () => {
    const [one, two] = [await ground.create(), await ground.create()];
    const [first, second] = [one, two].map(({ image }) => ground.pod(image, { volume: `same-${version}` }));
    if (first === undefined || second === undefined) throw new Error('unreachable');
    expect((await ground.call(['attach', specJson(first), first.node], undefined, true)).status).toBe('Success');
    const refused = await ground.call(['attach', specJson(second), second.node], undefined, true);
    expect(refused.message).toMatch(/^BERTH_FIELD_INVALID: options.kubernetes.io\/pvOrVolumeName/);
    await ground.call(['detach', `same-${version}`, first.node], undefined, true);
    expect((await ground.call(['attach', specJson(second), second.node], undefined, true)).status).toBe('Success');
    await ground.call(['detach', `same-${version}`, second.node], undefined, true);
    await ground.site.endVolumes();
  });
});

describe('FlexVolume mount, growth', () => {
  it('ControllerExpand before: done when the volume is mounted next', async () => {
    const volume = await ground.create();
    const pod = ground.pod(volume.image, { driver: HOST });
    await ground.mount(pod);
    await ground.unmount(pod);
    const [bytes, before] = ['134217728', '67108864'];
    const grown = await ground.call(['expandvolume', specJson(pod), '', bytes, before], HOST, true);
    expect(grown).toEqual({ status: 'Success', volumeNewSize: Number(bytes) });
    const handed = ground.pod(volume.image);
    const onHost = ground.pod(volume.image, { driver: HOST, options: { allowHostMount: 'true' } });
    expect(await ground.mount(handed)).toEqual(SUCCESS);
    expect(await ground.call(['expandfs', specJson(handed), '', '', bytes, before], undefined, true)).toEqual(SUCCESS);
    await ground.unmount(handed);
    expect(await ground.mount(onHost)).toEqual(SUCCESS);
    const { blocks, bsize } = await statfs(podDirectory(onHost));
    expect(blocks * bsize).toBeGreaterThan(100_000_000);
    const wrong = await ground.call(['expandvolume', specJson(pod), '', 'many', before], HOST, true);
    expect(wrong.message).toMatch(/^BERTH_FIELD_INVALID: new size/);
    await ground.unmount(onHost);
    await ground.site.endVolumes();
  });
});
