/**
 * All of Kubernetes that the rest of Berth sees, made once where it is switched on: node states, RuntimeClasses,
 * Events, attachments.
 */
import type { Announce, NodeStates } from '../attachment/node-state.js';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import type { RuntimeClassOf } from '../sandbox/pod.js';
import { accessFor, type KubernetesChoice } from './access.js';
import { RIGHTS, rightsMissing } from './access-review.js';
import { KubeApi } from './api.js';
import { Attachments } from './volume-attachments.js';
import { Events, type Finds, type Note, type Reference } from './events.js';
import { nodeStates } from './node-states.js';
import { CSI_DRIVERS, NAMESPACES, NODES, type KubeNode } from './objects.js';
import { runtimeClassOf } from './runtime-class.js';
import { HttpWire } from './http.js';
import { StorageObjects } from './storage-objects.js';

export interface Kubernetes {
  readonly api: KubeApi;
  readonly nodes: NodeStates;
  readonly runtimeClassOf: RuntimeClassOf;
  /** The cluster's own uid. Errors of the API. */
  readonly clusterUid: (deadline: Deadline) => Promise<string>;
  /** Also takes an attachment of the API for what a note is about. */
  readonly announce: Announce & ((note: Note) => void);
  /** Ours, with all that bears on them; watched only after `attachments.start()`. */
  readonly attachments: Attachments;
  /** Claims, classes, pods and Events, for whoever looks at one volume. */
  readonly objects: StorageObjects;
  /** `verb resource` of what this account may not do and these services need. Errors of the API. */
  readonly rightsMissing: (
    services: readonly ('controller' | 'node')[],
    deadline: Deadline,
  ) => Promise<readonly string[]>;
  close(): void;
}

/**
 * Undefined where there is to be no Kubernetes: switched off, or no service account is mounted. Asks nothing of the API
 * yet. BERTH_CONFIG_INVALID for a kubeconfig that cannot be used.
 */
export async function openKube(choice: KubernetesChoice, driver: string, log: Logger): Promise<Kubernetes | undefined> {
  const access = await accessFor(choice);
  if (access === undefined) return undefined;
  log.info({ server: access.server.host }, 'the Kubernetes API is used');
  const api = new KubeApi(new HttpWire(access));
  const attachments = new Attachments(api, driver, log);
  const finds: Finds = (about, deadline) =>
    about.driver === true ? driverReference(api, driver, deadline) : referencesOf(api, attachments, about, deadline);
  const events = new Events(api, driver, finds, log);
  return {
    api,
    attachments,
    objects: new StorageObjects(api),
    rightsMissing: (services, deadline) =>
      rightsMissing(
        api,
        services.flatMap((one) => RIGHTS[one]),
        deadline,
      ),
    nodes: nodeStates(api, log),
    runtimeClassOf: runtimeClassOf(api),
    clusterUid: (deadline) => clusterUid(api, deadline),
    announce: events.announce,
    close: () => {
      events.stop();
      attachments.stop();
      api.close();
    },
  };
}

/** The namespace that every cluster is made with, and that lives as long as it: its uid is the cluster's. */
const OLDEST_NAMESPACE = 'kube-system';

async function clusterUid(api: KubeApi, deadline: Deadline): Promise<string> {
  const found = await api.get(NAMESPACES, OLDEST_NAMESPACE, deadline);
  if (found === undefined) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'namespace', name: OLDEST_NAMESPACE });
  return found.metadata.uid;
}

/** What has no object of its own in the API is told beside the driver's. */
async function driverReference(api: KubeApi, name: string, deadline: Deadline): Promise<readonly Reference[]> {
  const { uid } = (await api.get(CSI_DRIVERS, name, deadline))?.metadata ?? {};
  return uid === undefined ? [] : [{ apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', name, uid }];
}

/** The PersistentVolume first, for that is where people look; then the attachment, then the node. */
async function referencesOf(
  api: KubeApi,
  attachments: Attachments,
  { volume, node, attachment }: Note['about'],
  deadline: Deadline,
): Promise<readonly Reference[]> {
  const found: Reference[] = [];
  const pv = volume === undefined ? undefined : attachments.volumeOf(volume);
  if (pv !== undefined) found.push({ apiVersion: 'v1', kind: 'PersistentVolume', name: pv.name, uid: pv.uid });
  if (attachment !== undefined) {
    found.push({ apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', ...attachment });
  }
  if (node !== undefined && found.length < 2) {
    const { uid } = (await api.get<KubeNode>(NODES, node, deadline))?.metadata ?? {};
    if (uid !== undefined) found.push({ apiVersion: 'v1', kind: 'Node', name: node, uid });
  }
  return found;
}
