/** What a process shows to Prometheus, beside what its loops and use cases count by themselves. */
import type { FenceKeeper } from '../../attachment/fence-keeper.js';
import type { CallEdge } from '../../csi/rpc.js';
import type { Readiness } from '../../diagnosis/readiness.js';
import type { Counters, Samples } from '../../observe/metrics.js';
import type { Librbd } from '../../rbd/librbd/driver/librbd.js';
import type { AttachmentReconciler } from '../../reconcile/attachment-reconciler.js';
import type { NodeReconciler } from '../../reconcile/node-reconciler.js';
import type { Operations } from '../../volume/operation/operations.js';

/** From a probe to a clone that has to be copied, in s. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

type Shown = Pick<Counters, 'gauge' | 'counted'>;

/** Of every call to the CSI socket: how long it took, and what came of it. */
export function observeCalls(counters: Pick<Counters, 'declare' | 'count' | 'times' | 'observe'>): CallEdge['ended'] {
  counters.times('berth_rpc_seconds', 'Time that calls took, by their gRPC status.', ['rpc', 'status'], BUCKETS);
  counters.declare('berth_errors_total', 'Calls that failed, by the code of the error.', { rpc: [], code: [] });
  return ({ rpc, status, code, seconds }) => {
    counters.observe('berth_rpc_seconds', { rpc, status }, seconds);
    if (code !== undefined) counters.count('berth_errors_total', { rpc, code });
  };
}

export function showReadiness(counters: Shown, version: string, readiness: Pick<Readiness, 'current'>): void {
  counters.gauge('berth_build_info', {
    help: 'Always 1, the version in its label.',
    labels: ['version'],
    read: () => [[{ version }, 1]],
  });
  counters.gauge('berth_ready', {
    help: '1 while the driver can do its work, as Probe says; the log says what is missing.',
    labels: [],
    read: () => [[{}, readiness.current().ready ? 1 : 0]],
  });
  counters.gauge('process_resident_memory_bytes', {
    help: 'Memory of the driver alone, its librbd workers not counted.',
    labels: [],
    read: () => [[{}, process.memoryUsage.rss()]],
  });
  counters.counted('process_cpu_seconds_total', {
    help: 'Processor time of the driver alone.',
    labels: [],
    read: () => [[{}, (process.cpuUsage().user + process.cpuUsage().system) / 1e6]],
  });
}

/** @param all by the name of the service that they are of; of one that is not served undefined */
export function showOperations(counters: Shown, all: Readonly<Record<string, Running | undefined>>): void {
  const read = (of: (ages: readonly number[]) => number) => (): Samples =>
    Object.entries(all).flatMap(([service, operations]) =>
      [...agesOf(operations)].map(([op, ages]): Samples[number] => [{ service, op }, of(ages)]),
    );
  const labels = ['service', 'op'];
  counters.gauge('berth_operations', { help: 'Operations under way.', labels, read: read((ages) => ages.length) });
  const help = 'For how long the oldest operation of its kind has been under way.';
  counters.gauge('berth_operation_age_seconds', { help, labels, read: read((ages) => Math.max(...ages) / 1000) });
}

type Running = Pick<Operations, 'underWay'>;

/** In ms, by kind. */
function agesOf(operations: Running | undefined): ReadonlyMap<string, readonly number[]> {
  const ages = new Map<string, number[]>();
  for (const { op, ageMs } of operations?.underWay() ?? []) ages.set(op, [...(ages.get(op) ?? []), ageMs]);
  return ages;
}

/** @param workers by what they are for */
export function showWorkers(
  counters: Shown,
  workers: Readonly<Record<string, Pick<Librbd, 'workerPid' | 'workerState'>>>,
): void {
  const labels = ['worker'];
  const read = (of: (worker: Pick<Librbd, 'workerPid' | 'workerState'>) => number) => (): Samples =>
    Object.entries(workers).map(([worker, one]) => [{ worker }, of(one)]);
  counters.gauge('berth_worker_up', {
    help: '1 while a librbd worker process runs; one that is not needed is ended, and started by the next call.',
    labels,
    read: read((one) => (one.workerPid() === undefined ? 0 : 1)),
  });
  const calls = 'Calls to Ceph that somebody waits for.';
  counters.gauge('berth_worker_calls', { help: calls, labels, read: read((one) => one.workerState().calls) });
  const deaths = 'librbd worker processes that ended by themselves.';
  counters.counted('berth_worker_deaths_total', {
    help: deaths,
    labels,
    read: read((one) => one.workerState().deaths),
  });
}

export function showFences(counters: Shown, keeper: Pick<FenceKeeper, 'standing'>): void {
  counters.gauge('berth_fences', {
    help: 'Ceph clients that are fenced: kept up, or done and left to lapse.',
    labels: ['cluster', 'state'],
    read: () =>
      [...keeper.standing()].flatMap(
        ([cluster, { kept, done }]): Samples => [
          [{ cluster, state: 'kept' }, kept],
          [{ cluster, state: 'done' }, done],
        ],
      ),
  });
}

export function showStuck(counters: Shown, reconciler: Pick<AttachmentReconciler, 'found'>): void {
  counters.gauge('berth_attachments_stuck', {
    help: 'Attachments and holders that are stuck now, by reason.',
    labels: ['reason'],
    read: () => [...reconciler.found()].map(([reason, count]) => [{ reason }, count]),
  });
}

export function showFindings(counters: Shown, reconciler: Pick<NodeReconciler, 'reports'>): void {
  const kinds = ['ours', 'foreign', 'unsure'] as const;
  counters.gauge('berth_node_findings', {
    help: 'What reconciliation of this node found and left alone, by whose it is.',
    labels: ['kind'],
    read: () => kinds.map((kind) => [{ kind }, reconciler.reports().filter((one) => one.kind === kind).length]),
  });
}
