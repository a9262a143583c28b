/**
 * `npm run demo`: a volume's whole life on a real Ceph cluster with two drivers, then in virtual machines, each step
 * with its time; leaves nothing behind.
 */
import { mkdtemp, readFile, realpath, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { run } from '../host/process/exec.js';
import { Deadline } from '../model/deadline.js';
import { adminOf } from './ceph/admin.js';
import { clusterUp, type Cluster } from './ceph/cluster.js';
import { layoutOf } from './ceph/layout.js';
import { untilAskedToEnd } from './demo/ask-to-end.js';
import { chaptersOf } from './demo/chapters.js';
import { readArguments, USAGE } from './demo/demo-arguments.js';
import { DemoController } from './demo/demo-controller.js';
import type { DemoNode } from './demo/demo-node.js';
import { GuestStage } from './demo/guest-stage.js';
import { Story } from './demo/scene.js';
import { secretsOf, startNodes } from './demo/start-nodes.js';
import { Table } from './demo/table.js';
import { guestNeeds } from './guest/machine.js';
import { leftBehind } from './leftovers.js';
import { ensurePackages, thisMachine } from './packages.js';
import { chooseReleases } from './root/choose-releases.js';
import { runTool } from './run-tool.js';
import { terminalText, say } from './say.js';
import { siteAt, type DevSite } from './site.js';
import { takeDown } from './take-down.js';

const PACKAGES_MS = 900_000;
const CLUSTER_MS = 60_000;
const LOG_LINES = 5;

interface Run {
  readonly table: Table;
  readonly site: DevSite;
  readonly stage: GuestStage | undefined;
  readonly asked: AbortSignal;
}

async function play({ table, site, stage, asked }: Run): Promise<void> {
  // The step that runs is finished first: it is bounded, and what it made is known then. Guests alone are killed.
  const checkpoint = (): void => asked.throwIfAborted();
  const cluster = await table.bring('Ceph cluster up', async () => {
    const up = await clusterUp(run, { directory: site.cluster }, Deadline.after(CLUSTER_MS));
    return [up, `mon, mgr, OSD at ${up.monitors.join(' ')}`] as const;
  });
  checkpoint();
  const nodes = await table.bring('drivers ready', async () => {
    const started = await startNodes(site, cluster, stage);
    return [started, 'node-one (controller, node), node-two (node)'] as const;
  });
  try {
    await tell({ table, site, stage, asked }, cluster, nodes, checkpoint);
  } finally {
    await stage?.killAll();
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

async function tell(
  { table, stage }: Run,
  { users, pools, directory }: Cluster,
  [one, two]: readonly [DemoNode, DemoNode],
  checkpoint: () => void,
): Promise<void> {
  const controller = new DemoController(one.client, secretsOf(users.controller));
  const admin = adminOf(run, layoutOf(directory));
  const scene = { table, admin, pool: pools[0]?.name ?? '', controller, one, two, checkpoint };
  const chapters = chaptersOf(stage);
  for (const { title, play: playOne } of chapters) {
    if (chapters.length > 1) table.note(`-- ${title}`);
    await playOne(new Story(scene), scene);
  }
}

async function showLogs(site: DevSite): Promise<void> {
  for (const name of ['node-one', 'node-two']) {
    const text = await readFile(path.join(site.state, `${name}.log`), 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
    if (lines !== '') say(`last log lines of ${name}:\n${lines}`);
  }
}

/** The guests' part, made ready before the clock runs: packages may have to be downloaded for it. */
function openStage(site: DevSite, asked: AbortSignal): Promise<GuestStage> {
  const at = (name: string): string => path.join(site.state, name);
  return GuestStage.open({
    ...{ directory: at('guests'), kubelet: at('kubelet'), flexSocket: at('flex.sock') },
    ...{ say, signal: asked },
  });
}

async function playAndClear(guests: boolean): Promise<number> {
  const asked = untilAskedToEnd([process.stdout, process.stderr]);
  await ensurePackages(run, say, Deadline.after(PACKAGES_MS), thisMachine(guests ? guestNeeds() : []));
  asked.throwIfAborted();
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'berth-demo-')));
  const site = siteAt(directory);
  await writeFile(site.mark, '');
  // Guests of others on this machine are no business of ours.
  process.env['BERTH_GUESTS_IN'] = directory;
  const table = new Table((text) => process.stdout.write(text));
  let started = performance.now();
  let code = 0;
  try {
    const stage = guests ? await openStage(site, asked) : undefined;
    started = performance.now();
    await play({ table, site, stage, asked });
  } catch (error) {
    code = 1;
    say(terminalText(asked.aborted ? asked.reason : error));
    if (!asked.aborted) await showLogs(site);
  }
  await table.step('everything down', async () => {
    await takeDown(directory);
    const left = await leftBehind(directory);
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    return 'no process, mount, loop device or file is left';
  });
  table.note(`${code === 0 ? 'done' : 'failed'} after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return code;
}

await runTool(USAGE, async () => {
  const { help, guests, ...releases } = readArguments(process.argv.slice(2));
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  return (await chooseReleases(run, releases, say)) ?? playAndClear(guests);
});
