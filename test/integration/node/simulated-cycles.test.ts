/**
 * A node's driver after very many stages and publishes, with the kernel's own mounts on real devices, and with Ceph in
 * memory and no child to mount by: what it holds does not grow. BERTH_SIMULATED_CYCLES is how many; a long run prints
 * the curve. What mapper, librbd and children leave behind is shown by cycles.test.ts.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { attachLoop } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { run } from '../../../src/host/process/exec.js';
import { packageRoot } from '../../../src/model/package-root.js';
import type { Held } from '../../cycles/simulated-node.js';
import { block, bytes, ext4, SMALL_BYTES } from '../csi/capabilities.js';
import { connect, type Services } from '../csi/calls.js';
import { scratchDirectory, soon, sparseFile } from '../host/scratch.js';

const CYCLES = Number(process.env['BERTH_SIMULATED_CYCLES'] ?? 240);
/** So many at a time, each with a volume of its own: the last one's is raw. */
const LANES = 4;
/** V8 has compiled what it will after so many. */
const WARM = 120;
/** The curve has a point after so many; below two of them memory says little. */
const POINT = 10_000;
const IS_LONG = CYCLES >= 2 * POINT;
const KIB = 1024;
const MIB = 1024 * KIB;
/** What a cycle may leave behind in the heap: noise of a short run, and nothing in a long one. */
const LEFT_BYTES = IS_LONG ? 20 : 8 * KIB;
/** Much more than a cycle takes on a busy machine. */
const CYCLE_MS = 5_000;

/** What a disk takes for each line of the journal is not what is measured. */
const MEMORY = '/dev/shm';

interface Weight extends Held {
  readonly residentMiB: number;
  readonly descriptors: number;
  /** Files and directories of its state, and the names among them that are of the journal. */
  readonly entries: number;
  readonly journal: readonly string[];
  readonly mounts: number;
}

interface Lane {
  readonly volumeId: string;
  readonly stagingTargetPath: string;
  readonly targetPath: string;
  readonly volumeCapability: ReturnType<typeof block>;
}

async function startNode(directory: string, devices: readonly string[]): Promise<ChildProcess> {
  const program = path.join(packageRoot(), 'dist/test/cycles/simulated-node.js');
  const child = fork(program, [directory, ...devices], { execArgv: ['--expose-gc'] });
  onTestFinished(async () => {
    const gone = once(child, 'exit');
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await gone;
  });
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the node ended before it served'))),
  ]);
  return child;
}

async function lane(calls: Services, directory: string, index: number): Promise<Lane> {
  const volumeCapability = index === LANES - 1 ? block() : ext4();
  const parameters = { clusterID: 'c1', pool: 'rbd' };
  const request = { name: `lane-${index}`, volumeCapabilities: [volumeCapability], parameters };
  const { volume } = await calls.controller.CreateVolume({ ...request, capacityRange: bytes(SMALL_BYTES) });
  const stagingTargetPath = path.join(directory, 'staging', String(index));
  const pod = path.join(directory, 'pods', String(index));
  for (const one of [stagingTargetPath, pod]) await mkdir(one, { recursive: true });
  return { volumeId: volume!.volumeId, stagingTargetPath, targetPath: path.join(pod, 'mount'), volumeCapability };
}

async function cycle({ node }: Services, { targetPath, ...volume }: Lane): Promise<void> {
  const { volumeId, stagingTargetPath } = volume;
  await node.NodeStageVolume(volume);
  await node.NodePublishVolume({ ...volume, targetPath });
  await node.NodeUnpublishVolume({ volumeId, targetPath });
  await node.NodeUnstageVolume({ volumeId, stagingTargetPath });
}

async function weigh(child: ChildProcess, directory: string): Promise<Weight> {
  const answer = once(child, 'message');
  child.send('weigh');
  const [held] = (await answer) as [Held];
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const state = path.join(directory, 'state');
  return {
    ...held,
    residentMiB: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / KIB),
    descriptors: (await readdir(`/proc/${child.pid}/fd`)).length,
    entries: (await readdir(state, { recursive: true })).length,
    journal: (await readdir(path.join(state, 'journal'))).filter((name) => name.endsWith('.json')),
    mounts: (await readMounts()).filter(({ target }) => target.startsWith(`${directory}/`)).length,
  };
}

const told = (done: number, { residentMiB, heap, descriptors, resources, entries }: Weight): string =>
  `after ${done} cycles: ${residentMiB} MiB resident, ${(heap / MIB).toFixed(2)} MiB of heap, ` +
  `${descriptors} open files, ${resources} resources, ${entries} files of its state\n`;

it(`${CYCLES} cycles of stage, publish, unpublish and unstage: heap, open files, directories and journal stay`, {
  timeout: (WARM + CYCLES) * CYCLE_MS,
}, async () => {
  const directory = await scratchDirectory(existsSync(MEMORY) ? MEMORY : tmpdir());
  const devices: string[] = [];
  for (let index = 0; index < LANES; index += 1) {
    const file = await sparseFile(path.join(directory, `image-${index}`), SMALL_BYTES);
    devices.push(await attachLoop(run, { file, readOnly: false }, soon()));
  }
  const child = await startNode(directory, devices);
  const calls = connect(path.join(directory, 'csi.sock'));
  onTestFinished(() => calls.close());
  const lanes = await Promise.all(devices.map((_, index) => lane(calls, directory, index)));
  let done = 0;
  /** Until so many have been made in all. */
  const until = async (count: number): Promise<Weight> => {
    const one = async (volume: Lane): Promise<void> => {
      while (done < count) {
        done += 1;
        await cycle(calls, volume);
      }
    };
    await Promise.all(lanes.map(one));
    const weight = await weigh(child, directory);
    process.stdout.write(told(done, weight));
    return weight;
  };
  const first = await until(WARM);
  const points = IS_LONG
    ? Array.from({ length: Math.ceil(CYCLES / POINT) }, (_, n) => (n + 1) * POINT)
    : [WARM + CYCLES];
  const curve: Weight[] = [];
  for (const point of points) curve.push(await until(point));
  const end = curve.at(-1)!;
  expect({ journal: end.journal, mounts: end.mounts }).toEqual({ journal: [], mounts: 0 });
  expect(end.entries).toBe(first.entries);
  expect(end.descriptors).toBeLessThanOrEqual(first.descriptors + 2);
  expect(end.resources).toBeLessThanOrEqual(first.resources + 2);
  // Of a long run its first ten thousand are the warm ones.
  const [warm, cycles] = IS_LONG ? [curve[0]!, done - POINT] : [first, CYCLES];
  expect((end.heap - warm.heap) / cycles).toBeLessThan(LEFT_BYTES);
  if (IS_LONG) expect(end.residentMiB).toBeLessThan(warm.residentMiB * 1.1 + 5);
});
