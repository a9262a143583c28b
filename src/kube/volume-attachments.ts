/**
 * VolumeAttachments of this driver and what bears on them in the API: PersistentVolume, node, CSINode; kept by watches
 * or read anew.
 */
import type { Deadline } from '../model/deadline.js';
import type { Logger } from '../observe/log.js';
import type { KubeApi } from './api.js';
import { Mirror } from './mirror.js';
import { stateOf } from './node-states.js';
import { StorageObjects } from './storage-objects.js';
import { SharedTexts } from './shared-texts.js';
import type { NodeStateAnswer } from '../attachment/node-state.js';
import {
  CLAIMS,
  CSI_NODES,
  NODES,
  PERSISTENT_VOLUMES,
  VOLUME_ATTACHMENTS,
  type KubeClaim,
  type KubeCsiNode,
  type KubeNode,
  type KubeObject,
  type KubePersistentVolume,
  type KubeVolumeAttachment,
} from './objects.js';

/** What csi-attacher writes down of the node's CSI id, for when its CSINode has gone. */
const NODE_ID = 'csi.alpha.kubernetes.io/node-id';

/** Its key in the publish context, which the attacher keeps as the attachment's metadata. */
const GRANT = 'berth.dev/grant';

export interface ApiAttachment {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The Node object's name. */
  readonly node: string;
  /** What the attacher calls the node by at the driver, where it wrote that down. */
  readonly nodeId: string | undefined;
  readonly pv: string | undefined;
  /** Only of an attachment that carries its volume along (a migrated one). */
  readonly inlineHandle: string | undefined;
  readonly attached: boolean;
  /** The grant that the attacher was given with the attach, and that the kubelet shows; see csi/publish-context.ts. */
  readonly grant: string | undefined;
  /** ISO 8601. */
  readonly since: string | undefined;
  /** ISO 8601; undefined while nobody wants it gone. */
  readonly deletingSince: string | undefined;
  readonly finalizers: readonly string[];
  /** What the attacher was last told. */
  readonly error: string | undefined;
}

export interface ApiVolume {
  readonly name: string;
  readonly uid: string;
  readonly handle: string;
  /** `namespace/name` of the claim. */
  readonly claim: string | undefined;
}

/** `unknown`: no answer. `driverMissing`: the node is known, but no driver of our name registered there. */
export type CsiNodeView = 'registered' | 'driverMissing' | 'absent' | 'unknown';

export interface ApiNode {
  readonly view: NodeStateAnswer;
  readonly csiNode: CsiNodeView;
  /** What the driver there calls the node, where it registered. */
  readonly nodeId: string | undefined;
  /** Handles that the node's kubelet says are mounted there. */
  readonly inUse: readonly string[];
}

export class Attachments {
  readonly #api: KubeApi;
  readonly #driver: string;
  readonly #shared = new SharedTexts();
  readonly #attachments: Mirror<ApiAttachment>;
  readonly #volumes: Mirror<ApiVolume, 'handle'>;
  #isStarted = false;

  constructor(api: KubeApi, driver: string, log: Logger) {
    this.#api = api;
    this.#driver = driver;
    const options = { log };
    const keep = (raw: KubeObject): ApiAttachment | undefined => attachmentOf(raw, driver, this.#shared);
    this.#attachments = new Mirror(api, VOLUME_ATTACHMENTS, { keep, keys: {} }, options);
    this.#volumes = new Mirror(
      api,
      PERSISTENT_VOLUMES,
      { keep: (raw) => volumeFrom(raw, driver), keys: { handle: ({ handle }) => handle } },
      options,
    );
  }

  get driver(): string {
    return this.#driver;
  }

  /** Begin to watch; what watches already goes on. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#attachments.start();
    this.#volumes.start();
  }

  stop(): void {
    this.#attachments.stop();
    this.#volumes.stop();
  }

  /** Both watches are alive, so that what is not shown does not exist either; waits for it until the deadline. */
  async isFresh(deadline: Deadline): Promise<boolean> {
    return (await this.#attachments.whenFresh(deadline)) && (await this.#volumes.whenFresh(deadline));
  }

  /** As watched. */
  all(): readonly ApiAttachment[] {
    return this.#attachments.values();
  }

  /** As watched: all PersistentVolumes. */
  allVolumes(): readonly ApiVolume[] {
    return this.#volumes.values();
  }

  /** Rises with every change of what is watched. */
  get changes(): number {
    return this.#attachments.changes + this.#volumes.changes;
  }

  /** As watched: the PersistentVolume of a handle. */
  volumeOf(handle: string): ApiVolume | undefined {
    return this.#volumes.of('handle', handle)[0];
  }

  /** As watched: by its own name. */
  volumeNamed(name: string): ApiVolume | undefined {
    return this.#volumes.get(name);
  }

  /** All of ours, read anew. */
  async list(deadline: Deadline): Promise<readonly ApiAttachment[]> {
    const { items } = await this.#api.list(
      VOLUME_ATTACHMENTS,
      (raw) => attachmentOf(raw, this.#driver, this.#shared),
      deadline,
    );
    return items;
  }

  /** One of ours, read anew; undefined where it is gone or another driver's. */
  async read(name: string, deadline: Deadline): Promise<ApiAttachment | undefined> {
    const raw = await this.#api.get(VOLUME_ATTACHMENTS, name, deadline);
    return raw === undefined ? undefined : attachmentOf(raw, this.#driver, this.#shared);
  }

  /** 'absent' only where the API said so; undefined for a PersistentVolume of another driver. */
  async readVolume(name: string, deadline: Deadline): Promise<ApiVolume | 'absent' | undefined> {
    const raw = await this.#api.get(PERSISTENT_VOLUMES, name, deadline);
    return raw === undefined ? 'absent' : volumeFrom(raw, this.#driver);
  }

  /** All of ours, read anew. */
  async listVolumes(deadline: Deadline): Promise<readonly ApiVolume[]> {
    const { items } = await this.#api.list(PERSISTENT_VOLUMES, (raw) => volumeFrom(raw, this.#driver), deadline);
    return items;
  }

  /** Read anew, with the name of its PersistentVolume, '' for one that has none yet; undefined without such a claim. */
  async claimNamed(
    namespace: string,
    name: string,
    deadline: Deadline,
  ): Promise<{ readonly uid: string; readonly volume: string } | undefined> {
    const claim = await this.#api.get<KubeClaim>(CLAIMS, name, deadline, namespace);
    return claim && { uid: claim.metadata.uid, volume: claim.spec?.volumeName ?? '' };
  }

  /** Names of the pods that have a claim (`namespace/name`) on a node, as `namespace/name`. Errors of the API. */
  async podsOf(claim: string, node: string, deadline: Deadline): Promise<readonly string[]> {
    const pods = await new StorageObjects(this.#api).podsOfClaim(claim, node, deadline);
    return pods.map(({ name }) => name);
  }

  /** Read anew; what cannot be known is 'unknown', never an error. */
  async nodeOf(name: string, deadline: Deadline): Promise<ApiNode> {
    const [node, csiNode] = await Promise.all([
      this.#api.get<KubeNode>(NODES, name, deadline).catch(() => 'unknown' as const),
      this.#api.get<KubeCsiNode>(CSI_NODES, name, deadline).catch(() => 'unknown' as const),
    ]);
    const known = typeof node === 'object' ? node : undefined;
    const prefix = `kubernetes.io/csi/${this.#driver}^`;
    const inUse = (known?.status?.volumesInUse ?? []).filter((one) => one.startsWith(prefix));
    return {
      view: known === undefined ? (node === undefined ? 'absent' : 'unknown') : stateOf(known),
      ...this.#csiNodeView(csiNode),
      inUse: inUse.map((one) => one.slice(prefix.length)),
    };
  }

  /**
   * Take one finalizer from an attachment that is still exactly the one that was looked at; BERTH_KUBE_CONFLICT where
   * it is not. False where it is gone already.
   */
  async liftFinalizer(seen: ApiAttachment, finalizer: string, deadline: Deadline): Promise<boolean> {
    const { name, uid, resourceVersion } = seen;
    const finalizers = seen.finalizers.filter((one) => one !== finalizer);
    const body = { metadata: { uid, resourceVersion, finalizers } };
    return (await this.#api.patch(VOLUME_ATTACHMENTS, name, body, deadline)) !== undefined;
  }

  #csiNodeView(found: KubeCsiNode | 'unknown' | undefined): Pick<ApiNode, 'csiNode' | 'nodeId'> {
    if (typeof found !== 'object') return { csiNode: found ?? 'absent', nodeId: undefined };
    const mine = (found.spec?.drivers ?? []).find(({ name }) => name === this.#driver);
    return { csiNode: mine === undefined ? 'driverMissing' : 'registered', nodeId: mine?.nodeID };
  }
}

/** @param shared very many are for few nodes, and have the same finalizers */
function attachmentOf(raw: KubeObject, driver: string, shared: SharedTexts): ApiAttachment | undefined {
  const { metadata, spec, status } = raw as KubeVolumeAttachment;
  if (spec?.attacher !== driver) return undefined;
  const { detachError, attachError, attached, attachmentMetadata } = status ?? {};
  const nodeId = metadata.annotations?.[NODE_ID];
  return {
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    node: shared.text(spec.nodeName ?? ''),
    nodeId: nodeId && shared.text(nodeId),
    pv: spec.source?.persistentVolumeName,
    inlineHandle: spec.source?.inlineVolumeSpec?.csi?.volumeHandle,
    attached: attached === true,
    grant: attachmentMetadata?.[GRANT],
    since: metadata.creationTimestamp,
    deletingSince: metadata.deletionTimestamp,
    finalizers: shared.list(metadata.finalizers ?? []),
    error: (metadata.deletionTimestamp === undefined ? attachError : detachError)?.message,
  };
}

function volumeFrom(raw: KubeObject, driver: string): ApiVolume | undefined {
  const { metadata, spec } = raw as KubePersistentVolume;
  if (spec?.csi?.driver !== driver) return undefined;
  const { namespace, name } = spec.claimRef ?? {};
  // Joined, for a template keeps both parts beside what is made of them.
  const claim = namespace === undefined || name === undefined ? undefined : [namespace, name].join('/');
  return { name: metadata.name, uid: metadata.uid, handle: spec.csi.volumeHandle, claim };
}
