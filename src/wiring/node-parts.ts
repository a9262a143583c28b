/** All parts of a node process; each use case names the few of them that it takes. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { IoWatch } from '../host/device/io-watch.js';
import { makeDirectories } from '../host/make-directories.js';
import { run, type Exec } from '../host/process/exec.js';
import { toolNamespace } from '../host/process/confine/tool-namespace.js';
import { Journal } from '../journal/journal.js';
import type { Kubernetes } from '../kube/open-kube.js';
import type { Logger } from '../observe/log.js';
import type { Options } from '../options/options.js';
import type { Clusters } from '../rbd/clusters.js';
import { chooseMapper } from '../rbd/mapping/choose-mapper.js';
import { KrbdMapper } from '../rbd/mapping/krbd/krbd-mapper.js';
import type { Mapper } from '../rbd/mapping/mapper.js';
import type { MounterChoice } from '../model/mapper-name.js';
import { NbdMapper } from '../rbd/mapping/nbd/nbd-mapper.js';
import type { RbdPort } from '../rbd/port.js';
import { chooseSandbox } from '../sandbox/choose-sandbox.js';
import { KataRecords } from '../sandbox/kata/kata-records.js';
import { SHIM_ROOTS } from '../sandbox/kata/shim.js';
import { NO_RUNTIME_CLASSES } from '../sandbox/pod.js';
import { markGuestWritten } from '../volume/image/guest-mark.js';
import { GuestUsages } from '../volume/node/guest/guest-usages.js';
import { stillGuests, type StillGuests } from '../volume/node/handover/still-guests.js';
import { FormerClients } from '../rbd/former-clients.js';
import { NodeHolderRecords, type ThisNode } from '../volume/node/node-holder-records.js';
import { Mappers } from '../volume/node/node-mappers.js';
import type { VolumeKeys } from '../volume/node/users/volume-keys.js';
import type { PublishParts } from '../volume/node/publish-volume.js';
import { CallLines, NODE_STALL_MS, NODE_WIDTHS } from '../volume/operation/call-lines.js';
import type { EnteredStep, OperationSettings } from '../volume/operation/operation-settings.js';
import { Operations } from '../volume/operation/operations.js';
import type { NodeSteps } from '../volume/operation/steps.js';
import type { Additions } from './additions.js';
import { journalDirectory, now, tellLate, type Dependencies } from './dependencies.js';
import { findThisNode } from './this-node.js';

export interface NodeParts extends ThisNode {
  readonly guestUsages: GuestUsages;
  readonly rbd: RbdPort;
  readonly clusters: Clusters;
  readonly holderRecords: NodeHolderRecords;
  readonly formerClients: FormerClients;
  readonly volumeKeys: VolumeKeys;
  readonly journal: Journal;
  readonly operations: Operations<NodeSteps>;
  readonly exec: Exec;
  readonly log: Logger;
  readonly now: () => Date;
  readonly mappers: Mappers;
  readonly kataRecords: KataRecords;
  /** Where the monitor sockets of Kata's sandboxes are. */
  readonly shimRoots: readonly string[];
  readonly markGuestWritten: PublishParts['markGuestWritten'];
  readonly chooseSandbox: PublishParts['chooseSandbox'];
  /** Kubernetes attaches before it stages: deploy's CSIDriver says attachRequired. */
  readonly attaches: boolean;
  /** An operator's own limit of volumes on this node; undefined takes what the mapper can. */
  readonly maxVolumes: number | undefined;
  readonly stillGuests: StillGuests;
  /** Of the devices that somebody asked for. */
  readonly io: IoWatch;
}

function operationSettings(log: Logger, { stepObserver, operationMs }: Additions): OperationSettings {
  const lines = new CallLines({ widths: NODE_WIDTHS, stallMs: NODE_STALL_MS });
  const told = { late: tellLate(log), turn: lines.take };
  const settings = { ...told, ...(operationMs === undefined ? {} : { budgetMs: operationMs }) };
  const observer = stepObserver(log);
  if (observer !== undefined) return { ...settings, entered: observer };
  if (!log.isLevelEnabled('debug')) return settings;
  // Where the time of a slow stage goes.
  const entered = ({ key, ...at }: EnteredStep): void => log.debug({ volume: key, ...at }, 'step');
  return { ...settings, entered };
}

export async function makeNodeParts(dependencies: Dependencies, additions: Additions): Promise<NodeParts> {
  const { options, log, rbd, clusters, volumeKeys, demands, holderRecords, installation, kube } = dependencies;
  const { stateDirectory: stateDir } = options;
  await makeDirectories(stateDir, 0o700);
  await chmod(stateDir, 0o700).catch((error: unknown) => {
    // A disk that turned read-only must not keep volumes here: without a driver nothing could take them away.
    log.warn({ stateDir, err: error }, 'the state directory cannot be changed: no volume can come, all can leave');
  });
  const journal = new Journal(journalDirectory(stateDir));
  await journal.open();
  const all = [
    new KrbdMapper({ exec: run, demands }),
    new NbdMapper({ exec: run }),
    ...additions.mappers(options, log),
  ];
  const choose = (choice: MounterChoice): Promise<Mapper> =>
    chooseMapper(choice === 'auto' ? options.mounter : choice, all);
  // It is born as a copy of all mounts, which is gone before the first volume could miss its device.
  await toolNamespace();
  const thisNode = await findThisNode(dependencies);
  const kataRecords = new KataRecords(options.kataRecords);
  await kataRecords.sweep();
  return {
    ...thisNode,
    rbd,
    clusters,
    volumeKeys,
    holderRecords: new NodeHolderRecords({ ...thisNode, installation, clusters, rbd, records: holderRecords, log }),
    formerClients: new FormerClients({ file: join(stateDir, 'clients.json'), bootId: thisNode.bootId, rbd, log }),
    journal,
    operations: new Operations(operationSettings(log, additions)),
    exec: run,
    log,
    now,
    mappers: new Mappers({ all, choose, journal }),
    kataRecords,
    shimRoots: SHIM_ROOTS,
    markGuestWritten: (mark, deadline) =>
      markGuestWritten({ node: options.nodeId, clusters, rbd, now }, mark, deadline),
    chooseSandbox: sandboxChooser(options, kube),
    attaches: kube !== undefined,
    maxVolumes: options.maxVolumes,
    stillGuests: stillGuests(additions.isGuest),
    io: new IoWatch(),
    guestUsages: new GuestUsages(),
  };
}

/** A pod's RuntimeClass is asked for where there is a Kubernetes to know it. */
function sandboxChooser({ kataHandlers }: Options, kube: Kubernetes | undefined): NodeParts['chooseSandbox'] {
  const runtimeClassOf = kube?.runtimeClassOf ?? NO_RUNTIME_CLASSES;
  return async (pod, wish) =>
    chooseSandbox(pod === undefined ? 'unknown' : await runtimeClassOf(pod), wish, kataHandlers);
}
