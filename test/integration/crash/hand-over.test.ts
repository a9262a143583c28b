/**
 * kill -9 at every step of a hand-over and of a take-back: whatever the kubelet does next ends as if nothing had
 * happened.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { HAND_OVER_FILE } from '../../../src/sandbox/hyperd/hand-over-file.js';
import { crashSteps } from '../../../src/dev/driver/crash-at.js';
import { sampled } from '../../crash/sampled.js';
import { podDirectory, type KubeletPod } from '../../../src/dev/flexvolume/kubelet-pod.js';
import type { Volume } from '../csi/volume.js';
import { FlexNode } from '../flexvolume/flex-node.js';

const SUCCESS = { status: 'Success' };
/** A driver that was to end itself and has not after this never came to the step, ms. */
const DEATH_MS = 30_000;

let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('cut-f');
});
afterAll(async () => {
  await flex.restart();
  await flex.close();
});

interface Subject {
  readonly volume: Volume;
  readonly pod: KubeletPod;
}

/** The call must end with the driver's own death; the binary makes a failure of that. */
async function dies(call: () => Promise<{ readonly status: string; readonly message?: string }>): Promise<void> {
  const answer = await call();
  expect(await flex.driver.death(DEATH_MS), answer.message).toBe('SIGKILL');
  expect(answer.status).toBe('Failure');
}

async function isHandedOver({ volume, pod }: Subject): Promise<void> {
  expect(await readdir(podDirectory(pod))).toEqual([HAND_OVER_FILE]);
  expect((await stat(path.join(podDirectory(pod), HAND_OVER_FILE))).mode & 0o7777).toBe(0o600);
  const text = await readFile(path.join(podDirectory(pod), HAND_OVER_FILE), 'utf8');
  expect(text).toContain(`"keyring":"${flex.guest.key}"`);
  expect(await devices(volume)).toBe(0);
  expect((await flex.holder(volume))?.holders.map(({ node }) => node)).toEqual([flex.driver.nodeId]);
}

async function isGone({ volume, pod }: Subject): Promise<void> {
  await expect(stat(podDirectory(pod))).rejects.toThrow(/ENOENT/);
  expect(await devices(volume)).toBe(0);
  expect(await flex.holder(volume)).toBeUndefined();
  expect(await flex.journal()).toEqual([]);
}

const devices = async (volume: Volume): Promise<number> =>
  (await findLoops()).filter(({ file }) => file.endsWith(`:${path.basename(volume.image)}`)).length;

interface Scenario {
  /** With the driver as it is before it is armed. */
  readonly before?: (subject: Subject) => Promise<void>;
  /** Other than the step's own call. */
  readonly fsType?: string;
}

const formatted = async ({ pod }: Subject): Promise<void> => {
  expect(await flex.mount(pod)).toEqual(SUCCESS);
  expect(await flex.unmount(pod)).toEqual(SUCCESS);
};
const grown = async (subject: Subject): Promise<void> => {
  await formatted(subject);
  await subject.volume.expand(128 * 1024 * 1024);
};
/** A growth that was cut short. */
const halfGrown = async (subject: Subject): Promise<void> => {
  await grown(subject);
  await flex.restart('handover:resize unmounted');
  await dies(() => flex.mount(subject.pod));
  await flex.restart();
};
const handedOver = async ({ pod }: Subject): Promise<void> => {
  expect(await flex.mount(pod)).toEqual(SUCCESS);
};
/** A hand-over that was cut short with the image mapped. */
const cutShort = async ({ pod }: Subject): Promise<void> => {
  await flex.restart('handover:probe');
  await dies(() => flex.mount(pod));
  await flex.restart();
};

const OWN: Readonly<Record<string, Scenario>> = {
  'handover:repair': { before: formatted },
  'handover:grow filesystem': { before: grown },
  ...Object.fromEntries(
    ['record growth', 'take growth snapshot', 'resize unmounted', 'record grown', 'remove growth snapshot'].map(
      (one) => [`handover:${one}`, { before: grown }],
    ),
  ),
  ...Object.fromEntries(
    ['roll growth back', 'record rolled back'].map((one) => [`handover:${one}`, { before: halfGrown }]),
  ),
  'handover:unmap leftover': { before: cutShort },
  'takeback:unmap leftover': { before: cutShort },
  ...Object.fromEntries(
    ['file', 'map', 'holder record', 'journal'].map((one) => [
      `handover:undo ${one}`,
      { before: formatted, fsType: 'xfs' },
    ]),
  ),
};

async function reaches(point: string, serial: number): Promise<Subject> {
  const volume = await flex.create(`${point.replaceAll(/\W+/g, '-')}-${serial}`);
  const subject = { volume, pod: flex.pod(volume.image) };
  const isTakeBack = point.startsWith('takeback');
  const { before = isTakeBack ? handedOver : undefined, fsType } = OWN[point] ?? {};
  await before?.(subject);
  await flex.restart(`${point}@${path.basename(volume.image)}`);
  const asked = fsType === undefined ? subject.pod : { ...subject.pod, fsType };
  await dies(() => (isTakeBack ? flex.unmount(asked) : flex.mount(asked)));
  await flex.restart();
  return subject;
}

const points = (['handover', 'takeback'] as const).flatMap((op) => crashSteps(op).map((step) => `${op}:${step}`));

/** What comes after a death differs by turns, and is both only where there are minutes to spare. */
const some = sampled(points, 1);
const given = some.filter((_, index) => some === points || index % 2 === 0);
const askedAgain = some.filter((_, index) => some === points || index % 2 !== 0);

describe('FlexVolume hand-over to hyperd, driver killed at', () => {
  it.each(askedAgain)('%s: mount again hands over', async (point) => {
    const subject = await reaches(point, 1);
    try {
      expect(await flex.mount(subject.pod)).toEqual(SUCCESS);
      await isHandedOver(subject);
      expect(await flex.unmount(subject.pod)).toEqual(SUCCESS);
      await isGone(subject);
    } finally {
      await flex.unmount(subject.pod);
      await flex.site.endVolumes();
    }
  });

  it.each(given)('%s: unmount lets go', async (point) => {
    const subject = await reaches(point, 2);
    try {
      expect(await flex.unmount(subject.pod)).toEqual(SUCCESS);
      await isGone(subject);
    } finally {
      await flex.site.endVolumes();
    }
  });
});
