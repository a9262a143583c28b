#!/usr/bin/env node
/** The program: reads its options, makes the rooms (wiring/), opens the doors and serves until it is told to stop. */
import { join } from 'node:path';
import { FenceKeeper } from './attachment/fence-keeper.js';
import { adoptArguments } from './cli/adopt.js';
import { commandOf } from './cli/command.js';
import { doctorArguments } from './cli/doctor.js';
import { controllerService } from './csi/controller.js';
import { DRIVER_NAME, identityService } from './csi/identity.js';
import { nodeService } from './csi/node.js';
import { packageVersion } from './model/package-root.js';
import { startServer } from './csi/server.js';
import { openDoor, type RunningDoor } from './flexvolume/server.js';
import { watchChildren } from './host/children.js';
import { isBerthError } from './model/errors.js';
import { Rounds } from './model/rounds.js';
import { serveMetrics } from './observe/metrics-server.js';
import { createLog, type Logger } from './observe/log.js';
import { parseOptions, USAGE, type Options } from './options.js';
import { cephOf } from './reconcile/attachments/ceph.js';
import { AttachmentReconciler } from './reconcile/attachments/reconciler.js';
import { Reconciler } from './reconcile/reconciler.js';
import { clustersAnswer, machineWorks, mapperWorks, nodeIsRegistered } from './volume/checks.js';
import { GuestClients } from './volume/guest-clients.js';
import type { NodeRoom } from './volume/node-room.js';
import { giveBackOwed } from './volume/owed.js';
import { preflight } from './volume/preflight.js';
import { Readiness, type Check } from './volume/readiness.js';
import type { ControllerRoom } from './volume/room.js';
import { controllerRoom, groundOf, nodeRoom, now, type Ground } from './wiring/ground.js';
import { premises } from './wiring/premises.js';
import { adopt, atTerminal, doctor } from './wiring/terminal.js';

/** How long calls in flight may take after SIGTERM, in ms; below the 30 s that Kubernetes gives a pod. */
const DRAIN_MS = 25_000;

async function serve(options: Options): Promise<void> {
  const log = createLog(options.logLevel);
  const version = packageVersion();
  const { services, endpoint, nodeId } = options;
  log.info({ version, services, endpoint, node: nodeId }, 'berth starts');
  watchChildren((child) => log.debug(child, 'child process ended'));
  const ground = await groundOf(options, log);
  const { rbd } = ground;
  const controller = services.includes('controller') ? controllerRoom(ground) : undefined;
  const node = services.includes('node') ? await nodeRoom(ground) : undefined;
  const checks: Record<string, Check> = {
    clusters: clustersAnswer(ground.clusters, rbd, controller === undefined ? 'node' : 'controller'),
  };
  if (node !== undefined) {
    checks['machine'] = machineWorks(options.stateDirectory);
    checks['mapper'] = mapperWorks(node);
    checks['registration'] = nodeIsRegistered(node, ground.nodes, version);
  }
  const readiness = new Readiness(checks, log);
  const server = await startServer({
    endpoint,
    log,
    services: {
      Identity: identityService({ readiness: () => readiness.current() }),
      ...(controller === undefined ? {} : { Controller: controllerService(controller) }),
      ...(node === undefined ? {} : { Node: nodeService(node) }),
    },
  });
  const door = await flexvolumeDoor(ground, node, controller);
  const metrics =
    options.metricsAddress === undefined ? undefined : await serveMetrics(ground.counters, options.metricsAddress);
  readiness.start();
  const loops = startLoops(ground, controller, node);
  void sayWhatIsWrong(ground);
  await stopRequested(log);
  readiness.stop();
  const stopped = Promise.all(loops.map((loop) => loop.stop()));
  await Promise.all([server.drain(DRAIN_MS), door?.drain(DRAIN_MS)]);
  await stopped;
  await metrics?.stop();
  ground.kube?.close();
  await rbd.close();
  log.info('berth stopped');
}

async function flexvolumeDoor(
  { options, log }: Ground,
  node: NodeRoom | undefined,
  controller: ControllerRoom | undefined,
): Promise<RunningDoor | undefined> {
  const { flexvolumeEndpoint: endpoint, kubeletDirectory, keyringDirectory: keyrings } = options;
  if (endpoint === undefined) return undefined;
  const stagingRoot = join(kubeletDirectory, 'plugins', DRIVER_NAME, 'flexvolume');
  return openDoor(endpoint, { node, controller, stagingRoot, keyrings }, log);
}

/** A guest opens its image seconds after the hand-over; an OSD that was away for a while is back. */
const PROMPT_MS = 15_000;
const STUCK_METRIC = 'berth_attachments_stuck_total';

interface Loop {
  start(): void;
  stop(): Promise<void>;
}

/** What goes on when nobody asks. */
function startLoops(
  ground: Ground,
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

function reconcilerOf(room: NodeRoom, options: Options): Reconciler | undefined {
  const { kubeletDirectory, reconcileInterval, leftoverAge } = options;
  if (reconcileInterval === 0) return undefined;
  const times = { everyMs: reconcileInterval * 1000, ageMs: leftoverAge * 1000 };
  return new Reconciler(room, { kubeletDirectory, driver: DRIVER_NAME, ...times });
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
    await giveBackOwed(room, entries, stopped);
  };
  const everyMs = Math.min(PROMPT_MS, reconcileInterval * 1000);
  const rounds: Rounds = new Rounds(round, { everyMs, jitter: 0.2, stopMs: 5_000 });
  return rounds;
}

function attachmentReconcilerOf(ground: Ground, controller: ControllerRoom): AttachmentReconciler | undefined {
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

/** One line for each problem, once: what lasts is in the readiness, what comes later is for the doctor. */
async function sayWhatIsWrong(ground: Ground): Promise<void> {
  const findings = await preflight(premises(ground, false));
  const problems = findings.filter(({ level }) => level !== 'ok');
  for (const { name, level, says } of problems) {
    ground.log[level === 'failed' ? 'error' : 'warn']({ check: name }, `preflight: ${says}`);
  }
  ground.log.info({ checks: findings.length, problems: problems.length }, 'preflight ended');
}

function stopRequested(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info({ signal }, 'asked to stop');
        resolve();
      });
    }
  });
}

async function main(): Promise<number> {
  const asked = doctorArguments(process.argv.slice(2));
  if (asked !== undefined) return doctor(asked.rest, asked.json);
  const adopted = adoptArguments(process.argv.slice(2), process.env);
  if (adopted !== undefined) return adopt(adopted);
  const command = commandOf(process.argv.slice(2));
  if (command !== undefined) return atTerminal(command);
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options === 'help' || options === 'version') {
    process.stdout.write(options === 'help' ? USAGE : `${packageVersion()}\n`);
    return 0;
  }
  await serve(options);
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `${isBerthError(error) ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
    );
    process.exit(1);
  },
);
