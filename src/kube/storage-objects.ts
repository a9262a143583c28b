/**
 * Claims, PersistentVolumes, StorageClasses, pods and Events, as a person asks for those of one volume: read anew,
 * never watched and never kept.
 */
import type { Deadline } from '../model/deadline.js';
import { bytesOfQuantity } from '../model/quantity.js';
import type { RuntimeClass } from '../sandbox/choose-sandbox.js';
import type { KubeApi } from './api.js';
import {
  CLAIMS,
  CORE_EVENTS,
  PERSISTENT_VOLUMES,
  PODS,
  RUNTIME_CLASSES,
  STORAGE_CLASSES,
  type KubeClaim,
  type KubeContainerStatus,
  type KubeEvent,
  type KubeObject,
  type KubePersistentVolume,
  type KubePod,
  type KubeRuntimeClass,
  type KubeStorageClass,
} from './objects.js';
import { classOf } from './runtime-class.js';

/** Whom the claim waits for: csi-provisioner, by the name that the controller manager wrote down. */
const PROVISIONER = 'volume.kubernetes.io/storage-provisioner';

export interface ApiClaim {
  /** `namespace/name` */
  readonly name: string;
  readonly uid: string;
  /** `Pending`, `Bound`, `Lost`; '' where nobody has said. */
  readonly phase: string;
  /** Of its PersistentVolume; '' for one that has none yet. */
  readonly volume: string;
  readonly storageClass: string | undefined;
  /** Who was asked to make its volume; undefined while nobody was. */
  readonly provisioner: string | undefined;
  /** ISO 8601; undefined while nobody wants it gone. */
  readonly deletingSince: string | undefined;
}

/** More than the mirror of all of them keeps. */
export interface VolumeObject {
  readonly name: string;
  readonly uid: string;
  readonly driver: string | undefined;
  readonly handle: string | undefined;
  /** `namespace/name` of its claim. */
  readonly claim: string | undefined;
  readonly claimUid: string | undefined;
  readonly phase: string;
  readonly reclaim: string;
  /** Undefined where it says none that can be read. */
  readonly capacityBytes: bigint | undefined;
  readonly deletingSince: string | undefined;
  readonly finalizers: readonly string[];
}

export interface ApiPod {
  /** `namespace/name` */
  readonly name: string;
  readonly uid: string;
  /** Undefined until it is scheduled. */
  readonly node: string | undefined;
  readonly phase: string;
  /** ISO 8601: when it was to be gone, its grace included. */
  readonly deletingSince: string | undefined;
  /** Names of claims in its namespace. */
  readonly claims: readonly string[];
  readonly runtimeClass: string | undefined;
  /** Why no node was found for it; undefined where one was, or nobody has tried. */
  readonly unscheduled: string | undefined;
  /** The container that was killed last, as one is that wants more memory than there is. */
  readonly killed: KilledContainer | undefined;
  /** Limits of all its containers and its RuntimeClass' overhead; undefined where a container has no limit. */
  readonly memoryBytes: bigint | undefined;
  /** Does its RuntimeClass say what its machine takes beside the containers? */
  readonly hasOverhead: boolean;
}

export interface KilledContainer {
  readonly name: string;
  /** Was it said to be for want of memory, or was it signal 9, which may have other reasons? */
  readonly forMemory: boolean;
  /** ISO 8601 */
  readonly at: string;
  readonly restarts: number;
}

export interface ApiClass {
  readonly provisioner: string;
  /** A volume is made once a pod uses the claim (WaitForFirstConsumer). */
  readonly waitsForPod: boolean;
}

export interface ApiEvent {
  readonly reason: string;
  readonly message: string;
  readonly isWarning: boolean;
  /** ISO 8601, when it was last seen; '' where nobody says. */
  readonly at: string;
}

export class StorageObjects {
  readonly #api: Pick<KubeApi, 'get' | 'list'>;

  constructor(api: Pick<KubeApi, 'get' | 'list'>) {
    this.#api = api;
  }

  /** @param name `namespace/name`; undefined where the API has none */
  async claim(name: string, deadline: Deadline): Promise<ApiClaim | undefined> {
    const [namespace, own] = partsOf(name);
    const raw = await this.#api.get<KubeClaim>(CLAIMS, own, deadline, namespace);
    if (raw === undefined) return undefined;
    const { metadata, spec, status } = raw;
    return {
      name,
      uid: metadata.uid,
      phase: status?.phase ?? '',
      volume: spec?.volumeName ?? '',
      storageClass: spec?.storageClassName,
      provisioner: metadata.annotations?.[PROVISIONER],
      deletingSince: metadata.deletionTimestamp,
    };
  }

  /** Of whatever driver; undefined where the API has none. */
  async volume(name: string, deadline: Deadline): Promise<VolumeObject | undefined> {
    const raw = await this.#api.get<KubePersistentVolume>(PERSISTENT_VOLUMES, name, deadline);
    return raw && volumeObjectOf(raw);
  }

  async storageClass(name: string, deadline: Deadline): Promise<ApiClass | undefined> {
    const raw = await this.#api.get<KubeStorageClass>(STORAGE_CLASSES, name, deadline);
    if (raw === undefined) return undefined;
    return { provisioner: raw.provisioner ?? '', waitsForPod: raw.volumeBindingMode === 'WaitForFirstConsumer' };
  }

  /** @param name `namespace/name` */
  async pod(name: string, deadline: Deadline): Promise<ApiPod | undefined> {
    const [namespace, own] = partsOf(name);
    const raw = await this.#api.get<KubePod>(PODS, own, deadline, namespace);
    return raw && podOf(raw);
  }

  /**
   * The pods of a claim, ended ones left out.
   * @param node only those of this node; undefined for all, also those that no node was found for
   */
  async podsOfClaim(claim: string, node: string | undefined, deadline: Deadline): Promise<readonly ApiPod[]> {
    const [namespace, own] = partsOf(claim);
    const scope = node === undefined ? { namespace } : { namespace, fieldSelector: `spec.nodeName=${node}` };
    const keep = (raw: KubeObject): ApiPod | undefined => {
      const pod = podOf(raw);
      return pod.claims.includes(own) && !ENDED.includes(pod.phase) ? pod : undefined;
    };
    return (await this.#api.list(PODS, keep, deadline, scope)).items;
  }

  /** Those of all namespaces that have not ended and that `wanted` wants. */
  async podsThat(wanted: (pod: ApiPod) => boolean, deadline: Deadline): Promise<readonly ApiPod[]> {
    const keep = (raw: KubeObject): ApiPod | undefined => {
      const pod = podOf(raw);
      return wanted(pod) ? pod : undefined;
    };
    const fieldSelector = ENDED.map((phase) => `status.phase!=${phase}`).join(',');
    return (await this.#api.list(PODS, keep, deadline, { fieldSelector })).items;
  }

  /** Undefined where the API has none. */
  async runtimeClass(name: string, deadline: Deadline): Promise<RuntimeClass | undefined> {
    const raw = await this.#api.get<KubeRuntimeClass>(RUNTIME_CLASSES, name, deadline);
    return raw && classOf(raw);
  }

  /**
   * What is told beside one object, the newest first. Events live an hour.
   * @param namespace of the object; `default` for one without
   */
  async eventsOf(uid: string, namespace: string, deadline: Deadline): Promise<readonly ApiEvent[]> {
    const scope = { namespace, fieldSelector: `involvedObject.uid=${uid}` };
    const { items } = await this.#api.list(CORE_EVENTS, (raw) => eventOf(raw as KubeEvent), deadline, scope);
    return [...items].sort((a, b) => b.at.localeCompare(a.at));
  }
}

/** Their volumes are unmounted, and nothing of them waits. */
const ENDED: readonly string[] = ['Succeeded', 'Failed'];

export function partsOf(name: string): readonly [namespace: string, name: string] {
  const at = name.indexOf('/');
  return [name.slice(0, at), name.slice(at + 1)];
}

function volumeObjectOf({ metadata, spec, status }: KubePersistentVolume): VolumeObject {
  return {
    name: metadata.name,
    uid: metadata.uid,
    driver: spec?.csi?.driver,
    handle: spec?.csi?.volumeHandle,
    ...claimOf(spec),
    phase: status?.phase ?? '',
    reclaim: spec?.persistentVolumeReclaimPolicy ?? '',
    capacityBytes: bytesOfQuantity(spec?.capacity?.storage ?? ''),
    deletingSince: metadata.deletionTimestamp,
    finalizers: metadata.finalizers ?? [],
  };
}

function claimOf(spec: KubePersistentVolume['spec']): Pick<VolumeObject, 'claim' | 'claimUid'> {
  const { namespace, name, uid } = spec?.claimRef ?? {};
  const claim = namespace === undefined || name === undefined ? undefined : `${namespace}/${name}`;
  return { claim, claimUid: uid };
}

function podOf({ metadata, spec, status }: KubePod): ApiPod {
  const claims = (spec?.volumes ?? []).flatMap(({ name = '', persistentVolumeClaim, ephemeral }) =>
    ephemeral === undefined ? (persistentVolumeClaim?.claimName ?? []) : `${metadata.name}-${name}`,
  );
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return {
    name: `${metadata.namespace ?? ''}/${metadata.name}`,
    uid: metadata.uid,
    node: spec?.nodeName,
    phase: status?.phase ?? '',
    deletingSince: metadata.deletionTimestamp,
    claims,
    runtimeClass: spec?.runtimeClassName,
    unscheduled: scheduled?.status === 'False' ? (scheduled.message ?? 'no reason is given') : undefined,
    killed: killedOf(status?.containerStatuses ?? [], spec?.runtimeClassName !== undefined),
    ...memoryOf(spec),
  };
}

/** 128 + 9, as a runtime tells signal 9. */
const KILLED = 137;

/**
 * The container that was killed last; undefined where none was. Signal 9 alone counts in a virtual machine, whose
 * kernel tells nobody why. On the host the kubelet says what was for want of memory; the rest is a failed probe, or a
 * person.
 */
function killedOf(statuses: readonly KubeContainerStatus[], isMachine: boolean): KilledContainer | undefined {
  const all = statuses.flatMap(({ name, restartCount = 0, state, lastState }): readonly KilledContainer[] => {
    const { exitCode, reason, finishedAt } = state?.terminated ?? lastState?.terminated ?? {};
    const forMemory = reason === 'OOMKilled';
    if (typeof finishedAt !== 'string' || (!forMemory && !(isMachine && exitCode === KILLED))) return [];
    return [{ name, forMemory, at: finishedAt, restarts: restartCount }];
  });
  return all.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at))[0];
}

function memoryOf(spec: KubePod['spec']): Pick<ApiPod, 'memoryBytes' | 'hasOverhead'> {
  const overhead = bytesOfQuantity(spec?.overhead?.memory ?? '');
  const limits = limitsOf(spec);
  const memoryBytes = limits === undefined ? undefined : limits + (overhead ?? 0n);
  return { memoryBytes, hasOverhead: overhead !== undefined };
}

/** Undefined where a container has none. */
function limitsOf(spec: KubePod['spec']): bigint | undefined {
  const ofPod = bytesOfQuantity(spec?.resources?.limits?.memory ?? '');
  if (ofPod !== undefined) return ofPod;
  // Sidecars live as long as the others.
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const living = [...(spec?.containers ?? []), ...sidecars];
  const limits = living.map(({ resources }) => bytesOfQuantity(resources?.limits?.memory ?? ''));
  if (limits.length === 0) return undefined;
  return limits.reduce((sum, one) => (sum === undefined || one === undefined ? undefined : sum + one), 0n);
}

const eventOf = ({ type, reason = '', message = '', lastTimestamp, eventTime, series }: KubeEvent): ApiEvent => ({
  reason,
  message,
  isWarning: type === 'Warning',
  at: series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? '',
});
