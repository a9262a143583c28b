/**
 * What Berth adds on the node: each call against the bare commands typed by hand,
 * in turn on the same cluster; and its children.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, csiClient, type CsiClient } from '../src/dev/driver/csi-client.js';
import type { ImageRef } from '../src/rbd/port.js';
import { ByHand } from './by-hand.js';
import { leastCost } from './least-cost.js';
import { figure, median, ms, print, times } from './figures.js';
import { MiB, type BenchCluster, type Running } from './bench-cluster.js';

const STEPS = ['stage, fresh', 'publish', 'unpublish', 'unstage', 'stage, again'] as const;
type Step = (typeof STEPS)[number];
type Times = Record<Step, number[]>;

const PATIENCE_MS = 60_000;
/** Against commands by hand, each image in a daemon of its own. */
const GOAL_BY_HAND = 1.1;
/** Against commands by hand where the daemon runs already: the bounds of docs/scaling.md. */
export const GOALS: Readonly<Record<Step, number>> = {
  'stage, fresh': 1.25,
  publish: 1.5,
  unpublish: 1.5,
  unstage: 1.5,
  'stage, again': 1.25,
};
const CAPABILITY = { mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } } as const;
const noTimes = (): Times => Object.fromEntries(STEPS.map((step) => [step, [] as number[]])) as Times;

/** Runs one step and notes what it costs. */
type Meter = (step: Step, work: () => Promise<unknown>) => Promise<void>;
/** One volume's life, metered step by step; at its end nothing of it is left on the node. */
type Life = (round: number, meter: Meter) => Promise<void>;

const clock =
  (spent: Times): Meter =>
  async (step, work) => {
    const begun = performance.now();
    await work();
    spent[step].push(performance.now() - begun);
  };

/** @param rounds lives of a volume of 1 GiB with ext4, by hand and by Berth in turn */
export async function nodeCost(site: BenchCluster, rounds: number): Promise<void> {
  const running = await site.startDriver('node', { services: ['identity', 'controller', 'node'] });
  const client = csiClient(`unix://${running.socket}`);
  const hands = (['own', 'shared'] as const).map(
    (serving) => new ByHand(join(site.directory, 'state', `by-hand-${serving}`), site.cluster.fsid, serving),
  );
  try {
    for (const hand of hands) await hand.start();
    const [own, shared] = hands.map((hand, index) => byHand(site, client, hand, `hand-${index}`)) as [Life, Life];
    const lives = { own, shared, ours: byBerth(site, client, 'node') };
    const spent = { own: noTimes(), shared: noTimes(), ours: noTimes() };
    // The first life of each pays for connections and compiled code.
    for (const life of Object.values(lives)) await life(-1, clock(noTimes()));
    for (let round = 0; round < rounds; round += 1) {
      const turns = ['own', 'shared', 'ours'] as const;
      for (const who of round % 2 === 0 ? turns : [...turns].reverse()) await lives[who](round, clock(spent[who]));
    }
    report(spent, rounds);
    await leastCost(site, client, await createFor(site, client, 'least-cost'));
  } finally {
    for (const hand of hands) await hand.stop();
    await close(running, client);
  }
  await children(site);
}

interface Spent {
  /** By hand, each image in a storage daemon of its own: what a person types, and what the goal is about. */
  readonly own: Times;
  /** By hand into a storage daemon that runs already: what Berth does, and nothing else. */
  readonly shared: Times;
  readonly ours: Times;
}

function report({ own, shared, ours }: Spent, rounds: number): void {
  print(`\nNode calls against the bare commands (1 GiB, ext4, loop mapper; medians of ${rounds}, in turn)`);
  for (const step of STEPS) {
    const took = median(ours[step]);
    const ratio = took / median(own[step]);
    const beside = took / median(shared[step]);
    figure(`${step}: by hand`, ms(median(own[step])));
    figure(`${step}: by hand, in a daemon that runs already`, ms(median(shared[step])));
    figure(`${step}: Berth`, ms(took));
    figure(`${step}: ratio`, times(ratio), step.startsWith('stage') ? atMost(GOAL_BY_HAND, ratio) : undefined);
    figure(`${step}: ratio, daemon running`, times(beside), atMost(GOALS[step], beside));
  }
}

const atMost = (goal: number, ratio: number): { readonly text: string; readonly met: boolean } => ({
  text: `at most ${goal.toFixed(2)}`,
  met: ratio <= goal,
});

function byHand(site: BenchCluster, client: CsiClient, hand: ByHand, name: string): Life {
  return async (round, meter) => {
    const image = await createFor(site, client, `${name}-${round}`);
    const [staging, target] = await places(site, `${name}-${round}`);
    let device = '';
    await meter('stage, fresh', async () => {
      device = await hand.map(image);
      await hand.mkfs(device);
      await hand.mount(device, staging);
    });
    await meter('publish', () => hand.bind(staging, target));
    await meter('unpublish', () => hand.unmount(target));
    const unstage = async (): Promise<void> => {
      await hand.unmount(staging);
      await hand.unmap(image, device);
    };
    await meter('unstage', unstage);
    await meter('stage, again', async () => {
      device = await hand.map(image);
      await hand.mount(device, staging);
    });
    await unstage();
  };
}

function byBerth(site: BenchCluster, client: CsiClient, nodeId: string): Life {
  return async (round, meter) => {
    const { image } = await createFor(site, client, `berth-${round}`);
    const [stagingTargetPath, targetPath] = await places(site, `berth-${round}`);
    const volumeId = `dev/hyper/node/${image}`;
    const options = { deadline: Date.now() + PATIENCE_MS };
    const brought = { volumeId, stagingTargetPath, volumeCapability: CAPABILITY };
    const stage = () => ask((done) => client.node.NodeStageVolume(brought, options, done));
    const unstage = () => ask((done) => client.node.NodeUnstageVolume(brought, options, done));
    const attach = { volumeId, nodeId, volumeCapability: CAPABILITY };
    await ask((done) => client.controller.ControllerPublishVolume(attach, options, done));
    await meter('stage, fresh', stage);
    await meter('publish', () =>
      ask((done) => client.node.NodePublishVolume({ ...brought, targetPath }, options, done)),
    );
    await meter('unpublish', () =>
      ask((done) => client.node.NodeUnpublishVolume({ volumeId, targetPath }, options, done)),
    );
    await meter('unstage', unstage);
    await meter('stage, again', stage);
    await unstage();
  };
}

/** An image of Berth's making for either side, so that both have the same features. */
async function createFor({ cluster }: BenchCluster, client: CsiClient, name: string): Promise<ImageRef> {
  const request = {
    name,
    capacityRange: { requiredBytes: 1024 * MiB },
    volumeCapabilities: [CAPABILITY],
    parameters: { clusterID: 'dev', pool: 'hyper', radosNamespace: 'node' },
  };
  const options = { deadline: Date.now() + PATIENCE_MS };
  const { volume } = await ask<{ volume: { volumeId: string } | null }>((done) =>
    client.controller.CreateVolume(request, options, done as never),
  );
  const image = volume?.volumeId.split('/').at(-1) ?? '';
  const { id: user, key } = cluster.users.node;
  const access = { cluster: 'dev', monitors: cluster.monitors, user, key };
  return { access, pool: 'hyper', namespace: 'node', image };
}

async function places({ directory }: BenchCluster, name: string): Promise<readonly [string, string]> {
  const [staging, pod] = [join(directory, 'state', 'staging', name), join(directory, 'state', 'pods', name)];
  for (const one of [staging, pod]) await mkdir(one, { recursive: true });
  return [staging, join(pod, 'mount')];
}

/** Counted by the driver's own log, which has a line for every child that ended. */
async function children(site: BenchCluster): Promise<void> {
  const all = { services: ['identity', 'controller', 'node'], logLevel: 'debug' } as const;
  const running = await site.startDriver('children', all);
  const client = csiClient(`unix://${running.socket}`);
  try {
    const byStep = new Map<Step, readonly string[]>();
    await byBerth(
      site,
      client,
      'children',
    )(1_000, async (step, work) => {
      const before = (await commands(running.logFile)).length;
      await work();
      byStep.set(step, (await commands(running.logFile)).slice(before));
    });
    print('\nChild processes');
    for (const step of STEPS) figure(step, String(byStep.get(step)?.length ?? NaN));
    for (const step of STEPS) print(`  ${step}: ${byStep.get(step)?.join(', ') ?? ''}`);
  } finally {
    await close(running, client);
  }
}

/** Programs with their first argument, in the order in which they ended. */
async function commands(logFile: string): Promise<readonly string[]> {
  // The log leaves the driver in bunches, every 50 ms.
  await sleep(200);
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.includes('"child process ended"'));
  return lines.map((line) => (JSON.parse(line) as { readonly command: string }).command);
}

async function close({ driver, client }: Running, other: CsiClient): Promise<void> {
  other.close();
  client.close();
  await driver.stop();
}
