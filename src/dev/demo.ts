/**
 * `npm run demo`: a volume's whole life on a real Ceph cluster with two drivers, each step with its time; leaves
 * nothing behind.
 */
import { mkdir, mkdtemp, readFile, realpath, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../host/process/exec.js';
import { Deadline } from '../model/deadline.js';
import { adminOf } from './ceph/admin.js';
import { clusterUp, type Cluster } from './ceph/cluster.js';
import { layoutOf } from './ceph/layout.js';
import type { CephUser } from './ceph/users.js';
import { DemoController } from './demo/demo-controller.js';
import { DemoNode } from './demo/demo-node.js';
import { tell } from './demo/story.js';
import { Table } from './demo/table.js';
import { leftBehind } from './leftovers.js';
import { ensurePackages } from './packages.js';
import { chooseReleases, RELEASE_OPTIONS, RELEASE_USAGE } from './root/choose-releases.js';
import { runTool } from './run-tool.js';
import { terminalText, say } from './say.js';
import { writeSettings } from './settings.js';
import { siteAt, type DevSite } from './site.js';
import { takeDown } from './take-down.js';

const USAGE = `usage: npm run demo [-- [--ceph RELEASE] [--client RELEASE]]

A volume's whole life on a real Ceph cluster with two nodes, each step with its time; leaves nothing behind.

${RELEASE_USAGE}  --help            this text
`;
const PACKAGES_MS = 900_000;
const CLUSTER_MS = 60_000;
const READY_MS = 30_000;
const LOG_LINES = 5;

const secretsOf = ({ id, key }: CephUser): Record<string, string> => ({ userID: id, userKey: key.reveal() });

async function startNodes(site: DevSite, cluster: Cluster): Promise<readonly [DemoNode, DemoNode]> {
  const { clusters } = await writeSettings(site.directory, cluster);
  await mkdir(site.state, { recursive: true });
  const common = { directory: site.state, clustersFile: clusters, secrets: secretsOf(cluster.users.node) };
  const deadline = Deadline.after(READY_MS);
  const started = await Promise.allSettled([
    DemoNode.start({ ...common, name: 'node-one', services: ['identity', 'controller', 'node'] }, deadline),
    DemoNode.start({ ...common, name: 'node-two', services: ['identity', 'node'] }, deadline),
  ]);
  const [one, two] = started;
  if (one.status === 'fulfilled' && two.status === 'fulfilled') return [one.value, two.value];
  for (const node of started) if (node.status === 'fulfilled') await node.value.stop();
  throw new AggregateError(started.flatMap((node) => (node.status === 'rejected' ? [node.reason as unknown] : [])));
}

async function play(table: Table, site: DevSite, checkpoint: () => void): Promise<void> {
  let cluster: Cluster | undefined;
  await table.step('Ceph cluster up', async () => {
    cluster = await clusterUp(run, { directory: site.cluster }, Deadline.after(CLUSTER_MS));
    return `mon, mgr, OSD at ${cluster.monitors.join(' ')}`;
  });
  checkpoint();
  if (cluster === undefined) throw new TypeError('no cluster');
  const { users, pools } = cluster;
  const here = cluster;
  let nodes: readonly DemoNode[] = [];
  try {
    await table.step('drivers ready', async () => {
      nodes = await startNodes(site, here);
      return 'node-one (controller, node), node-two (node)';
    });
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new TypeError('no nodes');
    const controller = new DemoController(one.client, secretsOf(users.controller));
    const admin = adminOf(run, layoutOf(here.directory));
    await tell({ table, admin, pool: pools[0]?.name ?? '', controller, one, two, checkpoint });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

async function showLogs(site: DevSite): Promise<void> {
  for (const name of ['node-one', 'node-two']) {
    const text = await readFile(path.join(site.state, `${name}.log`), 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
    if (lines !== '') say(`last log lines of ${name}:\n${lines}`);
  }
}

async function playAndClear(): Promise<number> {
  const asked = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => asked.abort());
  // The step that runs is finished first: it is bounded, and what it made is known then.
  const checkpoint = (): void => asked.signal.throwIfAborted();
  await ensurePackages(run, say, Deadline.after(PACKAGES_MS));
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'berth-demo-')));
  const site = siteAt(directory);
  await writeFile(site.mark, '');
  const started = performance.now();
  const table = new Table((text) => process.stdout.write(text));
  let code = 0;
  try {
    await play(table, site, checkpoint);
  } catch (error) {
    code = 1;
    say(terminalText(error));
    if (!asked.signal.aborted) await showLogs(site);
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
  const { values } = parseArgs({
    options: { ...RELEASE_OPTIONS, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  return (await chooseReleases(run, values, say)) ?? playAndClear();
});
