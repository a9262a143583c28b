/** Nodes with a loop mapper each, images in a namespace of their own, and the clean-up after both. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { LoopMapper } from '../../../src/dev/mapper/loop-mapper.js';
import type { ImageLocation, MapRequest } from '../../../src/rbd/mapping/mapper.js';
import { accessAs, admin, cluster, isolatedNamespace, scratchDirectory, type Place } from '../ceph.js';

export const MIB = 1024n * 1024n;
export const execute = promisify(execFile);
export const soon = (ms = 60_000): Deadline => Deadline.after(ms);

let place: Place;
const started: LoopMapper[] = [];
const mounted: string[] = [];
let count = 0;

/** This mapper's daemon too ends with the test file. */
export const stopAtTheEnd = (mapper: LoopMapper): void => void started.push(mapper);

export async function node(label: string): Promise<{ mapper: LoopMapper; stateDir: string }> {
  const directory = await scratchDirectory(label);
  const made = new LoopMapper({ exec: run, stateDir: directory });
  started.push(made);
  return { mapper: made, stateDir: directory };
}

export async function image(megabytes = 64): Promise<string> {
  const name = `i${(count += 1)}`;
  await admin().rbd(['create', '--size', `${megabytes}M`, ...at(name)], soon());
  return name;
}

export const at = (name: string): readonly string[] => [
  ...['--pool', place.pool, '--namespace', place.namespace],
  ...['--image', name],
];

export const request = (name: string, more: Partial<MapRequest> = {}): MapRequest => ({
  image: { access: accessAs('node'), pool: place.pool, namespace: place.namespace, image: name },
  fsid: cluster().fsid,
  readOnly: false,
  features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
  options: '',
  ioTimeoutSeconds: 0,
  ...more,
});

export const location = (name: string): ImageLocation => ({
  fsid: cluster().fsid,
  pool: place.pool,
  namespace: place.namespace,
  image: name,
});

export async function mount(device: string, options: readonly string[] = []): Promise<string> {
  const target = path.join(await scratchDirectory('mnt'), 'm');
  await mkdir(target);
  await execute('mount', [...options, device, target]);
  mounted.push(target);
  return target;
}

/** As a raw block volume is published: the device node bound to a file. */
export async function publish(device: string): Promise<string> {
  const target = path.join(await scratchDirectory('block'), 'dev');
  await writeFile(target, '');
  await execute('mount', ['--bind', device, target]);
  mounted.push(target);
  return target;
}

export async function umount(target: string): Promise<void> {
  await execute('umount', [target]);
  mounted.splice(mounted.indexOf(target), 1);
}

export const daemonPid = async (directory: string): Promise<number> =>
  Number(await readFile(path.join(directory, 'daemon.pid'), 'utf8'));

export async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while (
    await stat(`/proc/${pid}/fd/0`).then(
      () => true,
      () => false,
    )
  ) {
    await sleep(5);
  }
}

export const watchers = async (name: string): Promise<number> => {
  const status = JSON.parse(await admin().rbd(['status', '--format', 'json', ...at(name)], soon())) as {
    watchers: unknown[];
  };
  return status.watchers.length;
};

export const remains = async (directory: string): Promise<readonly string[]> => [
  ...(await findLoops()).filter(({ file }) => file.startsWith(directory)).map(({ device }) => device),
  ...(await readMounts()).filter(({ target }) => target.startsWith(directory)).map(({ target }) => target),
  ...(await readdir(path.join(directory, 'exports'))),
];

/**
 * Call once in a test file: makes its namespace, unmounts and unmaps after each test, stops every daemon at the end.
 */
export function cleanUpAfterwards(): void {
  beforeAll(async () => {
    place = await isolatedNamespace('loop');
  });

  afterEach(async () => {
    for (const target of mounted.splice(0)) await execute('umount', [target]).catch(() => undefined);
    for (const one of started) {
      for (const mapping of await one.list()) await one.unmap(mapping, soon());
    }
  });

  afterAll(async () => {
    for (const one of started) await one.stop(soon());
    // The watch of a killed daemon lasts 30 s and keeps its image; what is left ends with the cluster.
    await place.remove().catch(() => undefined);
  });
}
