#!/usr/bin/env node
/** The program: reads its options, wires the rooms and serves until it is told to stop; the only file that knows them all. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FENCES_METRIC, FenceKeeper } from './attachment/fence-keeper.js';
import { Fences } from './attachment/fences.js';
import { Holders } from './attachment/holders.js';
import { NO_NODE_STATES, type Announce, type NodeStates } from './attachment/node-state.js';
import { Nodes } from './attachment/nodes.js';
import { adoptArguments, manifestOf, type AdoptArguments } from './cli/adopt.js';
import { commandOf, type Command } from './cli/command.js';
import { asJson, asTable, doctorArguments, exitCodeOf } from './cli/doctor.js';
import { runCommand } from './cli/run.js';
import { controllerService } from './csi/controller.js';
import { DRIVER_NAME, identityService } from './csi/identity.js';
import { nodeService } from './csi/node.js';
import { packageVersion } from './csi/package-root.js';
import { startServer } from './csi/server.js';
import { openDoor, type RunningDoor } from './flexvolume/server.js';
import { watchChildren } from './host/children.js';
import { run } from './host/exec.js';
import { Journal } from './journal/journal.js';
import { Deadline } from './model/deadline.js';
import { fail, isBerthError } from './model/errors.js';
import type { KubeRoom } from './kube/room.js';
import { createLog, type Logger } from './observe/log.js';
import { Counters } from './observe/metrics.js';
import { parseOptions, USAGE, type Options } from './options.js';
import { Clusters } from './rbd/clusters.js';
import { createLibrbd } from './rbd/librbd/supervisor.js';
import { chooseMapper } from './rbd/mapping/choose.js';
import { KrbdMapper } from './rbd/mapping/krbd.js';
import { LoopMapper } from './rbd/mapping/loop.js';
import { NbdMapper } from './rbd/mapping/nbd.js';
import type { RbdPort } from './rbd/port.js';
import { KataRecords } from './sandbox/kata/records.js';
import { SHIM_ROOTS } from './sandbox/kata/shim.js';
import { NO_RUNTIME_CLASSES } from './sandbox/pod.js';
import { cephOf } from './reconcile/attachments/ceph.js';
import { AttachmentReconciler } from './reconcile/attachments/reconciler.js';
import { Reconciler } from './reconcile/reconciler.js';
import { lookAtImage } from './volume/adopt.js';
import { clustersAnswer, machineWorks, mapperWorks, nodeIsRegistered } from './volume/checks.js';
import { CRASH_AT, crashAt } from './volume/crash-at.js';
import { journalLine } from './volume/journal-line.js';
import type { KataRoom, NodeRoom } from './volume/node-room.js';
import { Operations, type LateEnd, type Observers } from './volume/operations.js';
import { PoolCapacity } from './volume/pool-capacity.js';
import { preflight, type Premises } from './volume/preflight.js';
import { Readiness, type Check } from './volume/readiness.js';
import type { ControllerRoom } from './volume/room.js';

/** How long calls in flight may take after SIGTERM, in ms; below the 30 s that Kubernetes gives a pod. */
const DRAIN_MS = 25_000;

/** How long the look at one image may take, in ms. */
const ADOPT_MS = 30_000;

interface Ground {
  readonly options: Options;
  readonly log: Logger;
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holders: Holders;
  readonly nodes: Nodes;
  /** What an orchestrator knows of nodes, and where it is told; without one nothing and nowhere. */
  readonly nodeStates: NodeStates;
  readonly announce: Announce;
  readonly counters: Counters;
  /** Undefined without Kubernetes. */
  readonly kube: KubeRoom | undefined;
}

const now = (): Date => new Date();

function controllerRoom(ground: Ground): ControllerRoom {
  const { options, log, rbd, clusters, holders, nodes, nodeStates, announce, counters } = ground;
  counters.declare(
    FENCES_METRIC,
    'Ceph clients fenced, renewed and lifted by this controller, and fences that failed.',
  );
  return {
    fencing: {
      policy: options.fencing,
      lostAfterMs: options.nodeLostAfter * 1000,
      fences: new Fences(rbd),
      ...{ nodeStates, announce, counters },
    },
    rbd,
    clusters,
    holders,
    nodes,
    capacity: new PoolCapacity(rbd),
    operations: new Operations({ late: tellLate(log), children: false }),
    log,
    now,
  };
}

const tellLate =
  (log: Logger) =>
  ({ error, ...end }: LateEnd): void => {
    if (error === undefined) log.info(end, 'an operation ended after its caller had gone');
    else log.warn({ ...end, err: error }, 'an operation failed after its caller had gone');
  };

function nodeObservers(log: Logger): Observers {
  const step = process.env[CRASH_AT];
  if (step === undefined) return { late: tellLate(log) };
  const entered = crashAt(step);
  log.warn({ step }, `${CRASH_AT} is set: this process will end itself`);
  return { late: tellLate(log), entered };
}

const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

async function nodeRoom({ options, log, rbd, clusters, holders, kube }: Ground): Promise<NodeRoom> {
  const { stateDirectory: stateDir } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await chmod(stateDir, 0o700).catch((error: unknown) => {
    // A disk that turned read-only must not keep volumes here: without a driver nothing could take them away.
    log.warn({ stateDir, err: error }, 'the state directory cannot be changed: no volume can come, all can leave');
  });
  const journal = new Journal(join(stateDir, 'journal'));
  await journal.open();
  const mappers = [
    new KrbdMapper({ exec: run }),
    new NbdMapper({ exec: run }),
    new LoopMapper({ exec: run, stateDir }),
  ];
  return {
    ...{
      node: options.nodeId,
      bootId: await bootId(),
      rbd,
      clusters,
      holders,
      journal,
      operations: new Operations(nodeObservers(log)),
      exec: run,
      log,
      now,
      mappers,
    },
    kata: await kataRoom(options, kube),
    maxVolumes: options.maxVolumes,
    mapperFor: (choice) => chooseMapper(choice === 'auto' ? options.mounter : choice, mappers, log),
    mapperNamed: (name) => {
      const found = mappers.find((one) => one.name === name);
      if (found === undefined) throw fail('INTERNAL', { what: `there is no mapper ${name}` });
      return found;
    },
  };
}

/** The client is loaded only where there is somebody to talk to. */
async function kubernetes(choice: string, log: Logger): Promise<KubeRoom | undefined> {
  if (choice === 'off') return undefined;
  const { openKube } = await import('./kube/room.js');
  return openKube(choice, DRIVER_NAME, log);
}

async function kataRoom({ kataRecords, kataHandlers }: Options, kube: KubeRoom | undefined): Promise<KataRoom> {
  const records = new KataRecords(kataRecords);
  await records.sweep();
  const runtimeClassOf = kube?.runtimeClassOf ?? NO_RUNTIME_CLASSES;
  return { records, shims: SHIM_ROOTS, handlers: kataHandlers, runtimeClassOf };
}

async function groundOf(options: Options, log: Logger): Promise<Ground> {
  const kube = await kubernetes(options.kubernetes, log);
  const rbd = createLibrbd({ log });
  const clusters = new Clusters(options.clusters);
  const orchestrator = { nodeStates: kube?.nodes ?? NO_NODE_STATES, announce: kube?.announce ?? (() => undefined) };
  const own = { holders: new Holders(rbd), nodes: new Nodes(rbd), counters: new Counters() };
  return { options, log, rbd, clusters, ...own, ...orchestrator, kube };
}

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
  readiness.start();
  const reconciler = node === undefined ? undefined : reconcilerOf(node, options);
  reconciler?.start();
  const keeper = controller === undefined ? undefined : new FenceKeeper({ ...controller, ...controller.fencing });
  keeper?.start();
  const attachments = controller === undefined ? undefined : attachmentReconcilerOf(ground, controller);
  attachments?.start();
  void sayWhatIsWrong(ground);
  await stopRequested(log);
  readiness.stop();
  const stopped = Promise.all([reconciler?.stop(), keeper?.stop(), attachments?.stop()]);
  await Promise.all([server.drain(DRAIN_MS), door?.drain(DRAIN_MS)]);
  await stopped;
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

function reconcilerOf(room: NodeRoom, options: Options): Reconciler | undefined {
  const { kubeletDirectory, reconcileInterval, leftoverAge } = options;
  if (reconcileInterval === 0) return undefined;
  const times = { everyMs: reconcileInterval * 1000, ageMs: leftoverAge * 1000 };
  return new Reconciler(room, { kubeletDirectory, driver: DRIVER_NAME, ...times });
}

function attachmentReconcilerOf(ground: Ground, controller: ControllerRoom): AttachmentReconciler | undefined {
  const { kube, log, options } = ground;
  if (kube === undefined || options.reconcileInterval === 0) return undefined;
  const { attachments: api, announce } = kube;
  api.start();
  const times = { everyMs: options.reconcileInterval * 1000, ageMs: options.leftoverAge * 1000 };
  return new AttachmentReconciler({ api, announce, ceph: cephOf(controller), log, now }, times);
}

function premises(
  { options, rbd, clusters }: Pick<Ground, 'options' | 'rbd' | 'clusters'>,
  versions: boolean,
): Premises {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: it changes nothing before it maps.
  const loop = new LoopMapper({ exec: run, stateDir: stateDirectory });
  const whyNotLoop = () => loop.whyNot();
  return { exec: run, rbd, clusters, roles, stateDirectory, kubeletDirectory, mounter, fencing, whyNotLoop, versions };
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

async function doctor(args: readonly string[], json: boolean): Promise<number> {
  // He has no node to speak for and registers none.
  const options = parseOptions(args, { NODE_ID: hostname(), ...process.env });
  if (typeof options === 'string') {
    process.stdout.write(options === 'help' ? USAGE : `${packageVersion()}\n`);
    return 0;
  }
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const findings = await preflight(premises({ options, rbd, clusters: new Clusters(options.clusters) }, true));
    process.stdout.write(json ? asJson(findings) : asTable(findings));
    return exitCodeOf(findings);
  } finally {
    await rbd.close();
  }
}

async function adopt(asked: AdoptArguments): Promise<number> {
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const adoption = await lookAtImage(
      { rbd, clusters: new Clusters(asked.clusters) },
      asked.image,
      Deadline.after(ADOPT_MS),
    );
    process.stdout.write(manifestOf(adoption, asked, DRIVER_NAME));
    return 0;
  } finally {
    await rbd.close();
  }
}

async function atTerminal(command: Command): Promise<number> {
  const options = parseOptions(command.rest, { NODE_ID: hostname(), ...process.env });
  if (typeof options === 'string') {
    process.stdout.write(USAGE);
    return 0;
  }
  const ground = await groundOf(options, createLog('silent'));
  const { kube, rbd } = ground;
  try {
    const ceph = cephOf(controllerRoom(ground), options.services.includes('controller') ? 'controller' : 'node');
    const journal = (volume: string): Promise<string> => journalLine(options.stateDirectory, volume);
    const { text, exitCode } = await runCommand(command, { api: kube?.attachments, ceph, journal, now });
    process.stdout.write(text);
    return exitCode;
  } finally {
    kube?.close();
    await rbd.close();
  }
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
