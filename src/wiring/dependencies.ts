/** What a process is built from, by its options: a server's, and a person's at a terminal. */
import { join } from 'node:path';
import { HolderRecords } from '../attachment/holder-records.js';
import { NO_NODE_STATES, type Announce, type NodeStates } from '../attachment/node-state.js';
import { Installation } from '../attachment/node-identity.js';
import { FENCES_OBJECT } from '../attachment/fences.js';
import { NodeRegistry } from '../attachment/node-registry.js';
import { NODES_OBJECTS } from '../attachment/nodes/node-objects.js';
import { RegistryFinder } from '../attachment/registry/find-registry.js';
import { DRIVER_NAME } from '../csi/identity-service.js';
import { Journal } from '../journal/journal.js';
import type { Kubernetes } from '../kube/open-kube.js';
import { type Logger } from '../observe/log.js';
import { Counters } from '../observe/metrics.js';
import { type Options } from '../options/options.js';
import { Clusters, type FaultListener } from '../rbd/clusters.js';
import { FreshFiles } from '../rbd/fresh-file.js';
import { ClusterDemands } from '../rbd/mapping/krbd/cluster-demands.js';
import { createLibrbd, type Librbd } from '../rbd/librbd/driver/librbd.js';
import type { RbdPort } from '../rbd/port.js';
import { FLATTEN_OBJECT } from '../volume/controller/flatten/flatten-list.js';
import { GROUPS_OBJECT } from '../volume/controller/group/group-record.js';
import { SNAPSHOT_NAMES_OBJECT } from '../volume/controller/snapshot/name-record.js';
import { NAMES_OBJECT } from '../volume/flexvolume/attach-by-name.js';
import { VolumeKeys } from '../volume/node/users/volume-keys.js';
import type { LateEnd } from '../volume/operation/operation-settings.js';

export interface Dependencies {
  readonly options: Options;
  readonly log: Logger;
  readonly rbd: RbdPort;
  /** The same port over a worker process of its own, for what takes long: nobody else waits for a thread of it. */
  readonly longWork: RbdPort;
  /** The worker processes of both, for whoever looks after them. */
  readonly workers: Workers;
  readonly clusters: Clusters;
  /** By which users a node opens volumes that have one of their own. */
  readonly volumeKeys: VolumeKeys;
  /** What the clusters ask of the kernel's client. */
  readonly demands: ClusterDemands;
  readonly holderRecords: HolderRecords;
  readonly nodes: NodeRegistry;
  /** What an orchestrator knows of nodes, and where it is told; without one nothing and nowhere. */
  readonly nodeStates: NodeStates;
  readonly announce: Announce;
  readonly installation: Installation;
  readonly counters: Counters;
  /** Undefined without Kubernetes. */
  readonly kube: Kubernetes | undefined;
}

/** By what they are for. */
export type Workers = Readonly<Record<string, Pick<Librbd, 'workerPid' | 'workerState'>>>;

export const journalDirectory = (stateDirectory: string): string => join(stateDirectory, 'journal');

export const now = (): Date => new Date();

export const tellLate =
  (log: Logger) =>
  ({ error, ...end }: LateEnd): void => {
    if (error === undefined) log.info(end, 'an operation ended after its caller had gone');
    else log.warn({ ...end, err: error }, 'an operation failed after its caller had gone');
  };

const FAULTS_METRIC = 'berth_clusters_file_faults_total';

const tellFault =
  (log: Logger, counters: Counters): FaultListener =>
  (fault) => {
    if (fault === undefined) {
      log.info('the clusters file can be used again');
      return;
    }
    counters.count(FAULTS_METRIC);
    log.error({ err: fault }, `the last good clusters file stays in use: ${fault.message}`);
  };

/**
 * The worker for long work is there while there is some. It is gentle to the OSDs: so many objects are removed at a
 * time in each image, where librbd would take ten.
 */
const LONG_WORK = { threads: 32, endIdleMs: 30_000, extraConf: { rbd_concurrent_management_ops: '2' } };

/** What Berth keeps in a cluster's registry place, beside the mark of the place itself. */
export const REGISTRY_OBJECTS: readonly string[] = [
  ...NODES_OBJECTS,
  FENCES_OBJECT,
  NAMES_OBJECT,
  SNAPSHOT_NAMES_OBJECT,
  GROUPS_OBJECT,
  FLATTEN_OBJECT,
];

/** The client is loaded only where there is somebody to talk to. */
async function kubernetes(choice: string, log: Logger): Promise<Kubernetes | undefined> {
  if (choice === 'off') return undefined;
  const { openKube } = await import('../kube/open-kube.js');
  return openKube(choice, DRIVER_NAME, log);
}

/** @param records false for who changes nothing in a cluster, not even where its registry is not recorded yet */
export async function makeDependencies(
  options: Options,
  log: Logger,
  { records = true }: { readonly records?: boolean } = {},
): Promise<Dependencies> {
  const kube = await kubernetes(options.kubernetes, log);
  const rbd = createLibrbd({ log });
  const longWork = createLibrbd({ log, ...LONG_WORK });
  const counters = new Counters();
  counters.declare(FAULTS_METRIC, 'Faults of the clusters file that were told while the last good one was in use.');
  const registries = new RegistryFinder({ rbd, objects: REGISTRY_OBJECTS, records, log, now });
  const installation = new Installation(options.installation, kube?.clusterUid);
  const volumeKeys = new VolumeKeys({
    rbd,
    node: options.nodeId,
    installation,
    journal: new Journal(journalDirectory(options.stateDirectory)),
  });
  const tell = tellFault(log, counters);
  const clusters = new Clusters(options.clusters, new FreshFiles(), tell, registries, volumeKeys);
  const orchestrator = { nodeStates: kube?.nodes ?? NO_NODE_STATES, announce: kube?.announce ?? (() => undefined) };
  const own = {
    demands: new ClusterDemands(rbd),
    holderRecords: new HolderRecords(rbd),
    nodes: new NodeRegistry(rbd),
    counters,
    workers: { calls: rbd, 'long work': longWork },
  };
  return { options, log, rbd, longWork, clusters, volumeKeys, installation, ...own, ...orchestrator, kube };
}
