/**
 * What a stage costs on the real kernel client, beside `rbd map`, mkfs and mount typed by hand in the same guest:
 * figures, no limits.
 */
import assert from 'node:assert/strict';
import { mkdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { run } from '../../src/host/process/exec.js';
import { clientArguments, withKeyFile } from '../../src/rbd/mapping/ceph-client.js';
import { soon } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { MiB } from './inside/images.js';
import { accessAs, session } from './inside/session.js';
import { mount, Volume } from './inside/volume.js';

const ROUNDS = 5;
const SIZE_BYTES = 1024 * MiB;
const STEPS = ['stage, fresh', 'unstage', 'stage, again'] as const;
type Step = (typeof STEPS)[number];
/** Runs a step and notes what it takes. */
type Meter = (step: Step, work: () => Promise<unknown>) => Promise<void>;

/** What Berth gives mkfs.ext4, so that both make the same filesystem. */
const MKFS = ['-q', '-m', '0', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'];
const tool = async (file: string, ...args: readonly string[]): Promise<string> =>
  (await run(file, args, { deadline: soon() })).stdout;

let node: Node;
const newVolume = async (): Promise<Volume> => {
  const volume = await Volume.create(node, mount('ext4'), SIZE_BYTES, { mounter: 'krbd' });
  await volume.attach();
  return volume;
};

async function byHand(meter: Meter): Promise<void> {
  const volume = await newVolume();
  const access = accessAs('node');
  const directory = path.join(session.state, 'by-hand');
  await mkdir(directory, { recursive: true });
  await withKeyFile(session.state, access.key, async (keyFile) => {
    const rbd = (...args: string[]) => tool('rbd', ...clientArguments(access, keyFile), ...args);
    let device = '';
    const map = async (): Promise<void> => {
      device = await rbd('map', volume.id.replace('dev/', ''));
    };
    const unmap = async (): Promise<void> => {
      await tool('umount', directory);
      await rbd('unmap', device);
    };
    await meter('stage, fresh', async () => {
      await map();
      await tool('mkfs.ext4', ...MKFS, device);
      await tool('mount', '-t', 'ext4', device, directory);
    });
    await meter('unstage', unmap);
    await meter('stage, again', async () => {
      await map();
      await tool('mount', '-t', 'ext4', device, directory);
    });
    await unmap();
  });
  await rmdir(directory);
  await volume.detachInTime();
  await volume.remove();
}

async function byBerth(meter: Meter): Promise<void> {
  const volume = await newVolume();
  await meter('stage, fresh', () => volume.stage());
  await meter('unstage', () => volume.unstage());
  await meter('stage, again', () => volume.stage());
  await volume.unstage();
  await volume.detachInTime();
  await volume.remove();
}

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
const noTimes = (): Record<Step, number[]> => ({ 'stage, fresh': [], unstage: [], 'stage, again': [] });

describe('the cost of a stage', () => {
  before(async () => {
    node = await startNode('cost-node');
  });
  after(async () => {
    await node.stop();
    await nothingIsLeft();
    await forget(node);
  });

  it('is measured in turn with the same steps by hand', async (test) => {
    const spent = { hand: noTimes(), berth: noTimes() };
    const into =
      (times: Record<Step, number[]>): Meter =>
      async (step, work) => {
        const started = performance.now();
        await work();
        times[step].push(performance.now() - started);
      };
    // The first life of each pays for connections, modules and compiled code.
    await byHand(into(noTimes()));
    await byBerth(into(noTimes()));
    for (let round = 0; round < ROUNDS; round += 1) {
      await byHand(into(spent.hand));
      await byBerth(into(spent.berth));
    }
    for (const step of STEPS) tell(test, step, median(spent.hand[step]), median(spent.berth[step]));
  });
});

function tell(test: TestContext, step: Step, hand: number, berth: number): void {
  assert.ok(hand > 0 && berth > 0);
  const ratio = (berth / hand).toFixed(2);
  test.diagnostic(`${step}: by hand ${Math.round(hand)} ms, Berth ${Math.round(berth)} ms, ratio ${ratio}`);
}
