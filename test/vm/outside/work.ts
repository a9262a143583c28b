/** The part of a run that lives in its own network namespace: cluster, control, and one guest after the other. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { clusterUp, type Cluster } from '../../../src/dev/ceph/cluster.js';
import { terminalText, say } from '../../../src/dev/say.js';
import { siteAt } from '../../../src/dev/site.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { IMAGE_VARIABLE, ROUNDS, ROUNDS_VARIABLE, type GuestReport } from '../wire.js';
import { startControl } from './control.js';
import { runInGuest, type FileRun } from './in-guest.js';
import { runNatively } from './native.js';
import { Results } from './results.js';
import type { Unpacked } from '../../../src/dev/guest/unpacked.js';

/** Travels as JSON in the worker's argument. */
export interface Work {
  readonly directory: string;
  readonly packageRoot: string;
  readonly tests: readonly string[];
  /** Absent for tests on this machine's own kernel. */
  readonly unpacked?: Unpacked | undefined;
  /** The root whose programs the guest has; absent for this machine's. */
  readonly client?: string | undefined;
}

/** Of the cluster, on the loopback device of the namespace: QEMU's user network connects the guest out to it. */
const ADDRESS = '10.99.0.1';
const CLUSTER_MS = 180_000;

async function makeNetwork(): Promise<void> {
  const deadline = Deadline.after(CLUSTER_MS);
  await run('ip', ['link', 'set', 'lo', 'up'], { deadline });
  await run('ip', ['address', 'add', `${ADDRESS}/32`, 'dev', 'lo'], { deadline });
}

const describe = ({ fsid, monitors, pools, users }: Cluster): FileRun['cluster'] => ({
  fsid,
  monitors,
  pool: pools[0]?.name ?? '',
  users: {
    controller: { id: users.controller.id, key: users.controller.key.reveal() },
    node: { id: users.node.id, key: users.node.key.reveal() },
  },
  rounds: Number(process.env[ROUNDS_VARIABLE] ?? ROUNDS),
  imageRoot: path.resolve('/', process.env[IMAGE_VARIABLE] ?? ''),
});

/** Where BERTH_TEST_REPORT is set; after the last file, so that it tells of all or none. */
async function writeReport(files: GuestReport['files']): Promise<void> {
  const file = process.env['BERTH_TEST_REPORT'];
  if (file === undefined) return;
  const failed = files
    .filter((one) => one.failed > 0)
    .map(({ name }) => ({ project: 'vm' as const, file: `test/vm/${name}.vm.test.ts` }));
  const report: GuestReport = { complete: true, failed, files };
  await writeFile(file, `${JSON.stringify(report)}\n`);
}

async function main(work: Work, signal: AbortSignal): Promise<number> {
  const { directory, packageRoot, tests, unpacked, client } = work;
  const started = performance.now();
  const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const site = siteAt(directory);
  await mkdir(site.state, { recursive: true, mode: 0o700 });
  if (unpacked !== undefined) await makeNetwork();
  const address = unpacked === undefined ? {} : { address: ADDRESS };
  const cluster = await clusterUp(run, { directory: site.cluster, ...address }, Deadline.after(CLUSTER_MS));
  say(`Ceph cluster up after ${seconds()}`);
  const where = unpacked === undefined ? { path: path.join(site.state, 'control.sock') } : { host: ADDRESS, port: 0 };
  const control = await startControl(cluster.directory, where);
  const files: GuestReport['files'][number][] = [];
  for (const test of tests) {
    signal.throwIfAborted();
    const name = path.basename(test, '.vm.test.js');
    const begun = performance.now();
    say(`${name} (${unpacked === undefined ? "this machine's kernel" : unpacked.release})`);
    const results = new Results(say);
    const file = { test, packageRoot, control, results, signal, cluster: describe(cluster) };
    const own = { ...file, directory: path.join(site.state, name) };
    if (unpacked === undefined) await runNatively({ ...own });
    else await runInGuest({ ...own, unpacked, client });
    await control.reset();
    files.push({ name, passed: results.passed, failed: results.failed });
    say(`  ${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
  await control.close();
  await writeReport(files);
  const sum = (what: 'passed' | 'failed'): number => files.reduce((all, one) => all + one[what], 0);
  say(`${sum('passed')} passed, ${sum('failed')} failed, ${seconds()}`);
  return sum('failed') === 0 ? 0 : 1;
}

const stop = new AbortController();
// The second one: whoever started us was killed.
for (const sign of ['SIGTERM', 'disconnect'] as const) process.on(sign, () => stop.abort());
try {
  process.exitCode = await main(JSON.parse(process.argv[2] ?? '') as Work, stop.signal);
} catch (error) {
  say(terminalText(error));
  process.exitCode = 1;
}
// The channel to our parent would keep us alive.
if (process.connected) process.disconnect();
