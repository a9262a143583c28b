/** Directories of volumes below pods that Kubernetes does not have: named, with what is still mounted, and left. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkPodDirectories } from '../../../../src/diagnosis/kubelet/pod-directories.js';

const [LIVE, GONE] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const LONG_AGO = new Date('2026-01-01T00:00:00Z');
let root: string;

async function volume(pod: string, name: string, driver = 'rbd.csi.berth.dev'): Promise<string> {
  const directory = path.join(root, 'pods', pod, 'volumes/kubernetes.io~csi', name);
  await mkdir(path.join(directory, 'mount'), { recursive: true });
  const data = { driverName: driver, volumeHandle: `main/hyper/${name}` };
  await writeFile(path.join(directory, 'vol_data.json'), JSON.stringify(data));
  await utimes(path.join(root, 'pods', pod), LONG_AGO, LONG_AGO);
  return directory;
}

async function flexVolume(pod: string, name: string): Promise<string> {
  const directory = path.join(root, 'pods', pod, 'volumes/hyper~cephrbd', name);
  await mkdir(directory, { recursive: true });
  await utimes(path.join(root, 'pods', pod), LONG_AGO, LONG_AGO);
  return directory;
}

const mounts = (...targets: readonly string[]): Promise<void> => {
  const lines = targets.map((target, at) => `${at + 2} 1 252:${at} / ${target} rw - ext4 /dev/rbd${at} rw`);
  return writeFile(path.join(root, 'proc/self/mountinfo'), ['1 0 8:1 / / rw - ext4 /dev/sda1 rw', ...lines].join('\n'));
};

const check = (pods: readonly string[] | undefined) =>
  checkPodDirectories({
    ...{ procRoot: path.join(root, 'proc'), kubelet: root, driver: 'rbd.csi.berth.dev' },
    pods: pods && new Set(pods),
  });

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-pods-'));
  await mkdir(path.join(root, 'proc/self'), { recursive: true });
  await mkdir(path.join(root, 'pods'));
  await mounts();
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('names those of pods that are gone, with what is mounted there, and leaves them', async () => {
  await volume(LIVE, 'live');
  const [csi, flex] = [await volume(GONE, 'data'), await flexVolume(GONE, 'old')];
  const empty = await volume(GONE, 'empty');
  await mounts(path.join(csi, 'mount'), flex);
  const { level, says } = await check([LIVE]);
  expect(level).toBe('warning');
  expect(says).toMatch(/^of pods that Kubernetes does not have: /);
  expect(says).toContain(`${csi}: /dev/rbd0 (ext4) of main/hyper/data is still mounted at ${csi}/mount`);
  expect(says).toContain(`${flex}: /dev/rbd1 (ext4) is still mounted at ${flex}`);
  expect(says).toContain(`${empty}: nothing is mounted there, it was of main/hyper/empty`);
  expect(says).not.toContain(LIVE);
  expect(await readdir(empty)).toEqual(['mount', 'vol_data.json']);
});

it('is well where all of them exist, and says who knows where nobody asked', async () => {
  await volume(LIVE, 'live');
  expect(await check([LIVE, GONE])).toMatchObject({ level: 'ok', says: '1 pods have volumes here, and all exist' });
  const says = expect.stringMatching(/^1 pods have volumes here; .* kubectl berth doctor --node$/) as string;
  expect(await check(undefined)).toMatchObject({ level: 'ok', says });
});

it('leaves out volumes of other drivers, and a pod that came after Kubernetes was asked', async () => {
  await volume(GONE, 'other', 'nfs.csi.k8s.io');
  expect(await check([])).toMatchObject({ level: 'ok' });
  await volume(GONE, 'new');
  await utimes(path.join(root, 'pods', GONE), new Date(), new Date());
  expect(await check([])).toMatchObject({ level: 'ok' });
});

it('names also what hides its own file under a mount', async () => {
  const directory = await volume(GONE, 'data');
  await mounts(directory);
  expect((await check([])).says).toContain(`${directory}: /dev/rbd0 (ext4) is still mounted at ${directory}`);
});
