/** What a driver process does by itself, when nobody asks: each loop with its period and how it stops. */
import { FenceKeeper } from '../attachment/fence-keeper.js';
import { Rounds } from '../model/rounds.js';
import { type Options } from '../options.js';
import { cephOf } from '../diagnosis/attachment/image-state.js';
import { AttachmentReconciler } from '../reconcile/attachment-reconciler.js';
import type { NodeReconciler } from '../reconcile/node-reconciler.js';
import { GuestClients } from '../volume/node/handover/guest-clients.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import { returnPendingRecords } from '../volume/node/recovery/return-records.js';
import type { ControllerRoom } from '../volume/controller/controller-room.js';
import { now, type Dependencies } from './dependencies.js';
import { makeNodeReconciler } from './make-node-reconciler.js';

/** A guest opens its image seconds after the hand-over; an OSD that was away for a while is back. */
const PROMPT_MS = 15_000;
const STUCK_METRIC = 'berth_attachments_stuck_total';

interface Loop {
  start(): void;
  stop(): Promise<void>;
}

/** What goes on when nobody asks. */
export function startLoops(
  ground: Dependencies,
  controller: ControllerRoom | undefined,
  node: NodeRoom | undefined,
): readonly Loop[] {
  const loops: readonly (Loop | undefined)[] = [
    ...(node === undefined ? [] : [reconcilerOf(node, ground.options), promptRounds(node, ground.options)]),
    ...(controller === undefined
      ? []
      : [new FenceKeeper({ ...controller, ...controller.fencing }), attachmentReconcilerOf(ground, controller)]),
  ];
  const running = loops.filter((loop) => loop !== undefined);
  for (const loop of running) loop.start();
  return running;
}

function reconcilerOf(room: NodeRoom, options: Options): NodeReconciler | undefined {
  return options.reconcileInterval === 0 ? undefined : makeNodeReconciler(room, options);
}

/** What cannot wait for reconciliation: others wait for it, or a fence may be needed before. */
function promptRounds(room: NodeRoom, { reconcileInterval }: Options): Rounds | undefined {
  if (reconcileInterval === 0) return undefined;
  const guests = new GuestClients(room);
  const round = async (): Promise<void> => {
    const stopped = (): boolean => rounds.stopped;
    // Unreadable as a whole: the machine's check says so.
    const entries = await room.journal.all().then(
      (all) => all.entries,
      () => [],
    );
    await guests.round(entries, stopped);
    await returnPendingRecords(room, entries, stopped);
  };
  const everyMs = Math.min(PROMPT_MS, reconcileInterval * 1000);
  const rounds: Rounds = new Rounds(round, { everyMs, jitter: 0.2, stopMs: 5_000 });
  return rounds;
}

function attachmentReconcilerOf(ground: Dependencies, controller: ControllerRoom): AttachmentReconciler | undefined {
  const { kube, log, options } = ground;
  if (kube === undefined || options.reconcileInterval === 0) return undefined;
  const { attachments: api, announce } = kube;
  api.start();
  const times = { everyMs: options.reconcileInterval * 1000, ageMs: options.leftoverAge * 1000 };
  ground.counters.declare(
    STUCK_METRIC,
    'Attachments found stuck, by reason, and detaches completed, by this controller.',
  );
  const count = (reason: string): void => ground.counters.count(STUCK_METRIC, { reason });
  return new AttachmentReconciler({ api, announce, count, ceph: cephOf(controller), log, now }, times);
}
