/** Metrics as the driver itself shows them, well and sick, as series for promtool. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { FENCE_ENDS, FENCES_METRIC } from '../../../src/attachment/fence-keeper.js';
import { IoWatch } from '../../../src/host/device/io-watch.js';
import type { JournalEntry } from '../../../src/journal/entry.js';
import { Counters } from '../../../src/observe/metrics.js';
import { GuestUsages } from '../../../src/volume/node/guest/guest-usages.js';
import { showVolumes } from '../../../src/volume/node/metrics/volume-metrics.js';
import * as show from '../../../src/wiring/metrics/show-metrics.js';

export type Condition = 'well' | 'sick';

/** Two days of a minute each; what rises does so in the last of them. */
const MINUTES = 2880;
const RISING = 40;

/** Series of one process that is controller and node at once. */
export async function installationOfMetrics(condition: Condition): Promise<readonly object[]> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-shown-'));
  try {
    const before = await exposition(condition, directory, 0);
    const after = await exposition(condition, directory, condition === 'sick' ? 10 : 0);
    return [...after].map(([name, value]) => {
      const first = before.get(name) ?? 0;
      const step = (value - first) / 10;
      // What is measured may also fall from one to the other.
      const steps = step < 0 ? String(step) : `+${step}`;
      return {
        series: name.includes('{') ? name.replace('{', '{instance="i",') : `${name}{instance="i"}`,
        values: `${first}x${MINUTES - RISING} ${first + step}${steps}x${RISING - 1}`,
      };
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function exposition(
  condition: Condition,
  directory: string,
  events: number,
): Promise<ReadonlyMap<string, number>> {
  const counters = new Counters();
  showParts(counters, condition === 'sick', events);
  const watch = await showVolume(counters, condition === 'sick', directory);
  const text = await counters.text();
  watch.stop();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const samples = lines.map((line): [string, number] => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))]);
  return new Map(samples.map(([name, value]) => [name, stalledLong(name, value, condition)]));
}

/** A watch knows only what it has seen; two minutes are waited for in no test. */
const stalledLong = (name: string, value: number, condition: Condition): number =>
  name.startsWith('berth_volume_io_stalled_seconds') && condition === 'sick' ? 120 : value;

function showParts(counters: Counters, isSick: boolean, events: number): void {
  const state = { calls: 1, deaths: events };
  const worker = { workerPid: () => 1, workerState: () => state };
  const ended = show.observeCalls(counters)!;
  ended({ rpc: 'CreateVolume', status: 'OK', code: undefined, seconds: 0.01 });
  for (let at = 0; at <= events; at += 1)
    ended({ rpc: 'CreateVolume', status: 'INTERNAL', code: 'BERTH_INTERNAL', seconds: 1 });
  show.showReadiness(counters, '1.0.0', { current: () => ({ ready: !isSick, why: undefined }) });
  const ageMs = isSick ? 7_200_000 : 5_000;
  show.showOperations(counters, { controller: { underWay: () => [{ op: 'create', ageMs }] }, node: undefined });
  show.showWorkers(counters, { calls: worker, 'long work': worker });
  show.showFences(counters, { standing: () => new Map([['main', { kept: 1, done: 0 }]]) });
  show.showStuck(counters, { found: () => new Map(isSick ? [['NodeGone', 2]] : []) });
  show.showFindings(counters, { reports: () => [] });
  counters.declare(FENCES_METRIC, 'f', { what: FENCE_ENDS });
  counters.declare('berth_clusters_file_faults_total', 'c');
  for (const what of ['fenced', 'failed']) counters.count(FENCES_METRIC, { what }, events);
  counters.count('berth_clusters_file_faults_total', {}, events);
  const gauges: Readonly<Record<string, number>> = { berth_garbage: 3, berth_deleted_volumes_oldest_seconds: 200_000 };
  for (const [name, value] of Object.entries(gauges))
    counters.gauge(name, { help: 'g', labels: [], read: () => (isSick ? [[{}, value]] : []) });
  counters.gauge('berth_deleted_volumes', { help: 'g', labels: ['state'], read: () => [[{ state: 'queued' }, 1]] });
}

async function showVolume(counters: Counters, isSick: boolean, directory: string): Promise<IoWatch> {
  await mkdir(path.join(directory, 'class/block/rbd0'), { recursive: true });
  await writeFile(path.join(directory, 'class/block/rbd0/stat'), '1 0 8 1 7 0 8 2 2 10 20 0 0 0 0 3 4\n');
  const mountinfo = path.join(directory, 'mountinfo');
  const options = isSick ? 'ro,emergency_ro' : 'rw';
  await writeFile(mountinfo, `36 35 251:0 / /stage rw,relatime shared:1 - ext4 /dev/rbd0 ${options}\n`);
  const entry = {
    ...{ version: 1, volume: 'main/hyper/berth-pvc-1', fsid: 'f', stagingPath: '/stage', state: 'staged' },
    ...{ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, fsType: 'ext4', flagsDigest: '' },
    ...{ mapper: 'krbd', mapping: { mapper: 'krbd', device: '/dev/rbd0', readOnly: false }, holdsRecord: true },
    ...{ named: { claim: 'shop/data', pv: 'pvc-1' }, targets: {}, since: '2026-01-01T00:00:00Z' },
  } as JournalEntry;
  const io = new IoWatch(directory);
  const guestUsages = new GuestUsages();
  const amount = { total: 10n, used: 3n, available: 7n };
  guestUsages.keep(entry.volume, { bytes: amount, inodes: amount });
  showVolumes({ node: 'n1', counters, entries: () => Promise.resolve([entry]), io, guestUsages, mountinfo });
  return io;
}
