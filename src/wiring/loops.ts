/** What a driver process does when nobody asks: one table, from which it is started and stopped. */
import { FenceKeeper } from '../attachment/fence-keeper.js';
import { imageStates } from '../diagnosis/attachment/image-state.js';
import { Rounds } from '../model/rounds.js';
import { AttachmentReconciler } from '../reconcile/attachment-reconciler.js';
import { now } from './dependencies.js';
import { detachBy } from './detach-by.js';
import { makeNodeReconciler } from './make-node-reconciler.js';
import { promptRounds } from './prompt-rounds.js';
import { pageOf } from './page/page-loop.js';
import { garbageOf } from './rounds/garbage-loop.js';
import type { Loop, LoopParts } from './rounds/loop.js';
import { serveWhileRunning } from './metrics/serve-while-running.js';
import { showFences, showFindings, showOperations, showStuck, showWorkers } from './metrics/show-metrics.js';

/** Between two looks for deleted volumes, and for volumes on long chains, in ms. */
const PURGES_MS = 300_000;
const STUCK_METRIC = 'berth_attachments_stuck_total';

/** What others look at is made before all. */
interface MadeParts extends LoopParts {
  readonly attachments: AttachmentReconciler | undefined;
}

interface LoopEntry {
  readonly name: string;
  readonly does: string;
  /** From the end of one round to the next. */
  readonly every: string;
  /** The process that has it. */
  readonly owner: 'node' | 'controller' | 'both';
  /** The option that changes it, and what stops it altogether. */
  readonly option: string;
  /** What a stop (SIGTERM) does to the round that runs. */
  readonly stops: string;
  /** With the last call in flight, not at the signal. */
  readonly lasts?: true;
  /** Undefined where this process has nothing to do for it. */
  readonly make: (parts: MadeParts) => Loop | undefined;
}

/** In the order in which they start; docs/operations.md shows the same table. */
export const LOOPS: readonly LoopEntry[] = [
  {
    name: 'metrics',
    does: 'answers requests for the counters',
    every: 'at each request',
    owner: 'both',
    option: '`--metrics-address`; off unless given',
    stops: 'after the last call in flight',
    lasts: true,
    make: metricsOf,
  },
  {
    name: 'page',
    does: 'shows all volumes to people',
    every: 'at each request',
    owner: 'controller',
    option: '`--page-address`; off unless given',
    stops: 'at once',
    make: ({ attachments, ...parts }) => pageOf(parts, () => attachments?.findings() ?? []),
  },
  {
    name: 'registration',
    does: 'writes the node, its boot and its Ceph clients into the registry of every cluster',
    every: '10 s, 20 % more or less, a cluster again after 30 s; 0.5 s while no cluster has it',
    owner: 'node',
    option: 'none',
    stops: 'at once',
    make: ({ registration }) => registration,
  },
  {
    name: 'readiness',
    does:
      'looks at machine, mappers and the last registration, a controller also at one record of each cluster: ' +
      'what Probe answers',
    every: '10 s; 0.5 s while not ready',
    owner: 'both',
    option: 'none',
    stops: 'at once',
    make: ({ readiness }) => readiness,
  },
  {
    name: 'node reconciliation',
    does: "compares journal, kernel and the kubelet's directories, and clears what nobody uses",
    every: '`--reconcile-interval` (300 s), 10 % more or less',
    owner: 'node',
    option: '`--reconcile-interval`; 0 is off',
    stops: 'begins no further act, waits 5 s for the running one',
    make: nodeReconcilerOf,
  },
  {
    name: 'guest clients and holder records',
    does:
      'records by which client a guest has its image open; takes down what no pod uses and is wanted elsewhere; ' +
      'gives back records that an unstage could not',
    every: '15 s, or `--reconcile-interval` where that is shorter; 20 % more or less',
    owner: 'node',
    option: '`--reconcile-interval`, never off',
    stops: 'begins no further volume, waits 5 s for the running one',
    make: promptRoundsOf,
  },
  {
    name: 'fences',
    does:
      'renews fences while they are needed, leaves them to lapse when their node is back; once a day, takes nodes ' +
      'that are silent for ninety days out of the registry',
    every: '60 s',
    owner: 'controller',
    option: 'none',
    stops: 'begins no further cluster, waits 1 s for the running one',
    make: fenceKeeperOf,
  },
  {
    name: 'attachment reconciliation',
    does: 'compares VolumeAttachments with holder records, says what is stuck, completes a detach that is proved',
    every: '`--reconcile-interval` (300 s), 10 % more or less',
    owner: 'controller',
    option: '`--reconcile-interval`; 0 is off, as is `--kubernetes off`',
    stops: 'begins no further detach, waits 5 s for the running one',
    make: ({ attachments }) => attachments,
  },
  {
    name: 'purges',
    does: 'finds deleted volumes and removes the data of those that nothing needs any more',
    every: 'at once after a delete; all of them at the start and every 300 s, 10 % more or less',
    owner: 'controller',
    option: '`--purges`, how many at a time; never off',
    stops: 'begins no further slice, waits 5 s for the running ones',
    make: purgesOf,
  },
  {
    name: 'flattens',
    does: 'lets volumes stand alone that stand on six images and more, while nobody uses them',
    every: 'at once after a create; all of them at the start and every 300 s, 10 % more or less',
    owner: 'controller',
    option: 'none',
    stops: 'begins no further slice, waits 5 s for the running ones',
    make: flattensOf,
  },
  {
    name: 'garbage',
    does: 'looks for images, snapshots and records that nothing explains, and says so; removes nothing',
    every: '1 h, 10 % more or less; the first time five minutes after the start',
    owner: 'controller',
    option: '`--reconcile-interval` 0 switches it off',
    stops: 'begins no further image, waits 5 s for the running ones',
    make: garbageOf,
  },
];

export interface RunningLoops {
  /** Ends those that end at the signal; resolves when they have. */
  stop(): Promise<void>;
  /** Ends those that last until no call is in flight. */
  stopLast(): Promise<void>;
}

interface MadeLoop {
  readonly name: string;
  readonly lasts: boolean;
  readonly loop: Loop;
}

/** What this process has of the table, in its order; nothing of it has begun. */
export function makeLoops(parts: LoopParts): readonly MadeLoop[] {
  const made = { ...parts, attachments: attachmentReconcilerOf(parts) };
  return LOOPS.flatMap(({ name, make, lasts = false }) => {
    const loop = make(made);
    return loop === undefined ? [] : [{ name, lasts, loop }];
  });
}

/** Starts them one after the other. BERTH_CONFIG_INVALID where metrics or page cannot be served. */
export async function startLoops(parts: LoopParts): Promise<RunningLoops> {
  const running = makeLoops(parts);
  for (const { loop } of running) await loop.start();
  const stop = async (last: boolean): Promise<void> => {
    await Promise.all(running.filter(({ lasts }) => lasts === last).map(async ({ loop }) => loop.stop()));
  };
  return { stop: () => stop(false), stopLast: () => stop(true) };
}

function metricsOf({ dependencies, controller, node }: LoopParts): Loop | undefined {
  const { counters, workers, options } = dependencies;
  if (options.metricsAddress === undefined) return undefined;
  showOperations(counters, { controller: controller?.operations, node: node?.operations });
  showWorkers(counters, workers);
  return serveWhileRunning(counters, options.metricsAddress);
}

function fenceKeeperOf({ dependencies: { counters }, controller }: LoopParts): Loop | undefined {
  if (controller === undefined) return undefined;
  const keeper = new FenceKeeper(controller);
  showFences(counters, keeper);
  return keeper;
}

function nodeReconcilerOf({ dependencies: { options, counters }, node }: LoopParts): Loop | undefined {
  if (node === undefined || options.reconcileInterval === 0) return undefined;
  const reconciler = makeNodeReconciler(node, options);
  showFindings(counters, reconciler);
  return reconciler;
}

function promptRoundsOf({ dependencies: { options, counters }, node }: LoopParts): Loop | undefined {
  return node === undefined ? undefined : promptRounds(node, options, counters);
}

/** Creates begin by themselves: the rounds find what others left, or what waited when the driver ended. */
function flattensOf({ dependencies: { log }, controller }: LoopParts): Loop | undefined {
  if (controller === undefined) return undefined;
  const { flattens } = controller;
  const round = (): Promise<void> =>
    flattens.round().catch((error: unknown) => {
      log.warn({ err: error }, 'volumes on long chains could not be looked for; it will be tried again');
    });
  const rounds = new Rounds(round, { everyMs: PURGES_MS, jitter: 0.1, stopMs: 1_000 });
  return {
    start: () => rounds.start(),
    stop: async () => {
      await Promise.all([rounds.stop(), flattens.stop()]);
    },
  };
}

/** Deletes begin purges by themselves: the rounds find what others left, or what waited when the driver ended. */
function purgesOf({ dependencies: { log }, controller }: LoopParts): Loop | undefined {
  if (controller === undefined) return undefined;
  const { purges } = controller;
  const round = (): Promise<void> =>
    purges.round().catch((error: unknown) => {
      log.warn({ err: error }, 'deleted volumes could not be looked for; it will be tried again');
    });
  const rounds = new Rounds(round, { everyMs: PURGES_MS, jitter: 0.1, stopMs: 1_000 });
  return {
    start: () => rounds.start(),
    stop: async () => {
      await Promise.all([rounds.stop(), purges.stop()]);
    },
  };
}

function attachmentReconcilerOf({ dependencies, controller }: LoopParts): AttachmentReconciler | undefined {
  const { kube, log, options, counters } = dependencies;
  if (controller === undefined || kube === undefined || options.reconcileInterval === 0) return undefined;
  const { attachments: api, announce } = kube;
  api.start();
  const times = { everyMs: options.reconcileInterval * 1000, ageMs: options.leftoverAge * 1000 };
  counters.declare(STUCK_METRIC, 'Attachments found stuck, by reason, and detaches completed, by this controller.', {
    reason: ['DetachCompleted'],
  });
  const count = (reason: string): void => counters.count(STUCK_METRIC, { reason });
  const ceph = imageStates(controller);
  const parts = { api, announce, count, ceph, detach: detachBy(controller), log, now };
  const reconciler = new AttachmentReconciler(parts, times);
  showStuck(counters, reconciler);
  return reconciler;
}
