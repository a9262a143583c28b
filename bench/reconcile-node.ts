/**
 * One node for the cost of reconciliation: `reconcile-node.js written|mounted <volumes>` lays it, reads and decides
 * over and over, prints JSON.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../src/host/process/exec.js';
import { parseMountinfo } from '../src/host/mount/mountinfo.js';
import { Journal } from '../src/journal/journal.js';
import { Deadline } from '../src/model/deadline.js';
import { createLog } from '../src/observe/log.js';
import { KrbdMapper } from '../src/rbd/mapping/krbd/krbd-mapper.js';
import { decide } from '../src/reconcile/decide-round.js';
import { NodeGatherer } from '../src/reconcile/gather-node.js';
import { Operations } from '../src/volume/operation/operations.js';
import { median } from './figures.js';
import { stagedEntry } from './staged-entry.js';

export interface Cost {
  readonly mounts: number;
  readonly gatherMs: number;
  readonly decideMs: number;
  /** Processor time of both, threads of the pool included: what a busy machine does not stretch. */
  readonly cpuMs: number;
  /** Acts and reports: none, where all volumes are as they should be. */
  readonly found: number;
}

/** Mounts for each volume: its stage, its pod's, and three that a pod has besides. */
export const MOUNTS_EACH = 5;
const ROUNDS = 21;
const FSID = randomUUID();
const DRIVER = 'rbd.csi.berth.dev';

interface Laid {
  readonly index: number;
  readonly volume: string;
  readonly staging: string;
  readonly target: string;
  readonly others: readonly string[];
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** Kubelet's files, the journal's and sysfs' of one volume. */
async function lay(directory: string, journal: Journal, index: number): Promise<Laid> {
  const kubelet = path.join(directory, 'kubelet');
  const image = `berth-pvc-${index}`;
  const volume = `dev/hyper/${image}`;
  const stage = path.join(kubelet, 'plugins/kubernetes.io/csi', DRIVER, String(index).padStart(64, '0'));
  const pod = path.join(kubelet, 'pods', randomUUID(), 'volumes');
  const staging = path.join(stage, 'globalmount');
  const target = path.join(pod, 'kubernetes.io~csi/pv/mount');
  const others = Array.from({ length: MOUNTS_EACH - 2 }, (_, n) =>
    path.join(pod, `kubernetes.io~projected/token-${n}`),
  );
  for (const one of [staging, target, ...others]) await mkdir(one, { recursive: true });
  const data = JSON.stringify({ driverName: DRIVER, volumeHandle: volume });
  for (const one of [stage, path.dirname(target)]) await writeFile(path.join(one, 'vol_data.json'), data);
  const targets = { [target]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } as const;
  await journal.write(stagedEntry({ volume, fsid: FSID, stagingPath: staging, mapper: 'krbd', targets }));
  const device = path.join(directory, 'sys/bus/rbd/devices', String(index));
  const attributes = { cluster_fsid: FSID, pool: 'hyper', pool_ns: '', name: image, current_snap: '-', major: '252' };
  const all = { ...attributes, minor: String(index * 16), client_addr: '10.0.0.1:0/1' };
  for (const [name, value] of Object.entries(all)) await write(path.join(device, name), `${value}\n`);
  await write(path.join(directory, `sys/class/block/rbd${index}/ro`), '0\n');
  return { index, volume, staging, target, others };
}

const devFile = (directory: string, index: number): string => path.join(directory, `sys/class/block/rbd${index}/dev`);

/** A mount table as the kernel would write it. */
async function writeMounts(directory: string, volumes: readonly Laid[]): Promise<void> {
  const lines: string[] = ['1 1 8:1 / / rw - ext4 /dev/sda1 rw'];
  const add = (device: string, at: string, rest: string): void => {
    lines.push(`${lines.length + 1} 1 ${device} / ${at} rw,relatime shared:${lines.length} - ${rest} rw`);
  };
  for (const { index, staging, target, others } of volumes) {
    const device = `252:${index * 16}`;
    for (const at of [staging, target]) add(device, at, `ext4 /dev/rbd${index}`);
    for (const at of others) add(`0:${lines.length + 100}`, at, 'tmpfs tmpfs');
    await write(devFile(directory, index), `${device}\n`);
  }
  await write(path.join(directory, 'proc/self/mountinfo'), `${lines.join('\n')}\n`);
}

/** Real mounts, in the mount namespace that we were started in; a tmpfs stands for each volume's filesystem. */
async function makeMounts(directory: string, volumes: readonly Laid[]): Promise<void> {
  const mount = (...args: string[]) => run('mount', ['--no-mtab', ...args], { deadline: Deadline.after(30_000) });
  for (const { staging, target, others } of volumes) {
    for (const at of [staging, ...others]) await mount('-t', 'tmpfs', 'volume', at);
    await mount('--bind', staging, target);
  }
  await mkdir(path.join(directory, 'proc'), { recursive: true });
  await symlink('/proc/self', path.join(directory, 'proc/self'));
  const found = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const devices = new Map(found.map(({ target, device }) => [target, device]));
  for (const { index, staging } of volumes) await write(devFile(directory, index), `${devices.get(staging) ?? ''}\n`);
}

async function measure(directory: string, journal: Journal): Promise<Cost> {
  const roots = { sys: path.join(directory, 'sys'), dev: '/dev', proc: path.join(directory, 'proc') };
  const pools = [{ name: 'hyper', namespaces: [''] }];
  const sources = {
    journal,
    operations: new Operations(),
    now: () => new Date(),
    log: createLog('silent'),
    mappers: { all: [new KrbdMapper({ exec: run, roots })] },
    clusters: { all: () => Promise.resolve([{ id: 'dev', pools }]) },
  };
  const kubeletDirectory = path.join(directory, 'kubelet');
  const gatherer = new NodeGatherer(sources, { kubeletDirectory, driver: DRIVER, ageMs: 600_000, roots });
  const gather: number[] = [];
  const deciding: number[] = [];
  const cpu: number[] = [];
  let found = 0;
  let mounts = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    const begun = performance.now();
    const facts = await gatherer.gather(Deadline.after(60_000));
    const gathered = performance.now();
    const { acts, reports } = await decide(facts);
    gather.push(gathered - begun);
    deciding.push(performance.now() - gathered);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1000);
    found = acts.length + reports.length;
    mounts = facts.mounts.length;
  }
  return { mounts, gatherMs: median(gather), decideMs: median(deciding), cpuMs: median(cpu), found };
}

const [how, count] = process.argv.slice(2);
const directory = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-bench-reconcile-')));
try {
  const journal = new Journal(path.join(directory, 'journal'));
  await journal.open();
  const volumes: Laid[] = [];
  for (let index = 0; index < Number(count); index += 1) volumes.push(await lay(directory, journal, index));
  await (how === 'mounted' ? makeMounts : writeMounts)(directory, volumes);
  await write(path.join(directory, 'proc/uptime'), '100000.0 100000.0\n');
  process.stdout.write(JSON.stringify(await measure(directory, journal)));
  if (how === 'mounted') {
    // Of this namespace alone; its directories could not be removed below them.
    for (const { staging, target, others } of volumes)
      for (const at of [target, staging, ...others]) await run('umount', [at], { deadline: Deadline.after(30_000) });
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
