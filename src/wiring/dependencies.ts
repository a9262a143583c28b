/** The rooms of one process, furnished from its options: what a server and a person at a terminal both stand on. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HolderRecords } from '../attachment/holder-records.js';
import { NO_NODE_STATES, type Announce, type NodeStates } from '../attachment/node-state.js';
import { NodeRegistry } from '../attachment/node-registry.js';
import { DRIVER_NAME } from '../csi/identity-service.js';
import { run } from '../host/process/exec.js';
import { Journal } from '../journal/journal.js';
import type { Kubernetes } from '../kube/open-kube.js';
import { type Logger } from '../observe/log.js';
import { Counters } from '../observe/metrics.js';
import { type Options } from '../options/options.js';
import { Clusters } from '../rbd/clusters.js';
import { createLibrbd } from '../rbd/librbd/driver/librbd.js';
import { chooseMapper } from '../rbd/mapping/choose-mapper.js';
import { KrbdMapper } from '../rbd/mapping/krbd/krbd-mapper.js';
import { NbdMapper } from '../rbd/mapping/nbd/nbd-mapper.js';
import type { Mapper, MounterChoice } from '../rbd/mapping/mapper.js';
import type { RbdPort } from '../rbd/port.js';
import { chooseSandbox } from '../sandbox/choose-sandbox.js';
import { KataRecords } from '../sandbox/kata/kata-records.js';
import { SHIM_ROOTS } from '../sandbox/kata/shim.js';
import { NO_RUNTIME_CLASSES } from '../sandbox/pod.js';
import type { Additions } from './additions.js';
import { Mappers } from '../volume/node/node-mappers.js';
import { NodeHolderRecords } from '../volume/node/node-holder-records.js';
import { markGuestWritten } from '../volume/image/guest-mark.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import { Operations, type EnteredStep, type LateEnd, type Observers } from '../volume/operation/operations.js';

export interface Dependencies {
  readonly options: Options;
  readonly log: Logger;
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holderRecords: HolderRecords;
  readonly nodes: NodeRegistry;
  /** What an orchestrator knows of nodes, and where it is told; without one nothing and nowhere. */
  readonly nodeStates: NodeStates;
  readonly announce: Announce;
  readonly counters: Counters;
  /** Undefined without Kubernetes. */
  readonly kube: Kubernetes | undefined;
}

export const now = (): Date => new Date();

export const tellLate =
  (log: Logger) =>
  ({ error, ...end }: LateEnd): void => {
    if (error === undefined) log.info(end, 'an operation ended after its caller had gone');
    else log.warn({ ...end, err: error }, 'an operation failed after its caller had gone');
  };

function nodeObservers(log: Logger, { stepObserver }: Additions): Observers {
  const observer = stepObserver(log);
  if (observer !== undefined) return { late: tellLate(log), entered: observer };
  if (!log.isLevelEnabled('debug')) return { late: tellLate(log) };
  // Where the time of a slow stage goes.
  const entered = ({ key, ...at }: EnteredStep): void => log.debug({ volume: key, ...at }, 'step');
  return { late: tellLate(log), entered };
}

const bootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();

export async function nodeRoom(
  { options, log, rbd, clusters, holderRecords, kube }: Dependencies,
  additions: Additions,
): Promise<NodeRoom> {
  const { stateDirectory: stateDir } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await chmod(stateDir, 0o700).catch((error: unknown) => {
    // A disk that turned read-only must not keep volumes here: without a driver nothing could take them away.
    log.warn({ stateDir, err: error }, 'the state directory cannot be changed: no volume can come, all can leave');
  });
  const journal = new Journal(join(stateDir, 'journal'));
  await journal.open();
  const all = [new KrbdMapper({ exec: run }), new NbdMapper({ exec: run }), ...additions.mappers(options, log)];
  const choose = (choice: MounterChoice): Promise<Mapper> =>
    chooseMapper(choice === 'auto' ? options.mounter : choice, all);
  const thisNode = { node: options.nodeId, bootId: await bootId() };
  const kataRecords = new KataRecords(options.kataRecords);
  await kataRecords.sweep();
  return {
    ...thisNode,
    rbd,
    clusters,
    holderRecords: new NodeHolderRecords({ ...thisNode, clusters, rbd, records: holderRecords, log }),
    journal,
    operations: new Operations(nodeObservers(log, additions)),
    exec: run,
    log,
    now,
    mappers: new Mappers({ all, choose, journal }),
    kataRecords,
    shimRoots: SHIM_ROOTS,
    markGuestWritten: (mark, deadline) =>
      markGuestWritten({ node: options.nodeId, clusters, rbd, now }, mark, deadline),
    chooseSandbox: sandboxChooser(options, kube),
    maxVolumes: options.maxVolumes,
  };
}

/** A pod's RuntimeClass is asked for where there is a Kubernetes to know it. */
function sandboxChooser({ kataHandlers }: Options, kube: Kubernetes | undefined): NodeRoom['chooseSandbox'] {
  const runtimeClassOf = kube?.runtimeClassOf ?? NO_RUNTIME_CLASSES;
  return async (pod, wish) =>
    chooseSandbox(pod === undefined ? 'unknown' : await runtimeClassOf(pod), wish, kataHandlers);
}

/** The client is loaded only where there is somebody to talk to. */
async function kubernetes(choice: string, log: Logger): Promise<Kubernetes | undefined> {
  if (choice === 'off') return undefined;
  const { openKube } = await import('../kube/open-kube.js');
  return openKube(choice, DRIVER_NAME, log);
}

export async function makeDependencies(options: Options, log: Logger): Promise<Dependencies> {
  const kube = await kubernetes(options.kubernetes, log);
  const rbd = createLibrbd({ log });
  const clusters = new Clusters(options.clusters);
  const orchestrator = { nodeStates: kube?.nodes ?? NO_NODE_STATES, announce: kube?.announce ?? (() => undefined) };
  const own = { holderRecords: new HolderRecords(rbd), nodes: new NodeRegistry(rbd), counters: new Counters() };
  return { options, log, rbd, clusters, ...own, ...orchestrator, kube };
}
