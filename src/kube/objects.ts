/**
 * The Kubernetes objects that Berth looks at, with the few fields that it reads; everything may be missing in what a
 * server sends.
 */

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

const core = (plural: string): Resource => ({ group: '', version: 'v1', plural });
const storage = (plural: string): Resource => ({ group: 'storage.k8s.io', version: 'v1', plural });

export const NODES = core('nodes');
export const PODS = core('pods');
export const NAMESPACES = core('namespaces');
export const PERSISTENT_VOLUMES = core('persistentvolumes');
export const CLAIMS = core('persistentvolumeclaims');
export const VOLUME_ATTACHMENTS = storage('volumeattachments');
export const CSI_NODES = storage('csinodes');
export const CSI_DRIVERS = storage('csidrivers');
export const STORAGE_CLASSES = storage('storageclasses');
export const RUNTIME_CLASSES: Resource = { group: 'node.k8s.io', version: 'v1', plural: 'runtimeclasses' };
export const EVENTS: Resource = { group: 'events.k8s.io', version: 'v1', plural: 'events' };
/** The same Events as the core group shows them: its names of fields are those that a list can be narrowed by. */
export const CORE_EVENTS = core('events');
export const ACCESS_REVIEWS: Resource = {
  ...{ group: 'authorization.k8s.io', version: 'v1', plural: 'selfsubjectaccessreviews' },
};
/** The kinds of external-snapshotter, which a cluster has only where their CRDs are installed. */
export const SNAPSHOT_CONTENTS: Resource = {
  group: 'snapshot.storage.k8s.io',
  version: 'v1',
  plural: 'volumesnapshotcontents',
};
export const GROUP_SNAPSHOT_CONTENTS: Resource = {
  group: 'groupsnapshot.storage.k8s.io',
  version: 'v1',
  plural: 'volumegroupsnapshotcontents',
};

/** As RBAC spells it: `volumeattachments.storage.k8s.io`. */
export const resourceName = ({ group, plural }: Resource): string => (group === '' ? plural : `${plural}.${group}`);

/** The path of a collection, or of one object in it. */
export function pathOf({ group, version, plural }: Resource, name?: string, namespace?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

export interface Meta {
  readonly name: string;
  readonly uid: string;
  readonly namespace?: string;
  readonly resourceVersion: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface KubeObject {
  readonly metadata: Meta;
}

export interface KubeNode extends KubeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string; readonly effect?: string }[] };
  readonly status?: {
    readonly nodeInfo?: { readonly bootID?: string };
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime?: string;
    }[];
    /** `kubernetes.io/csi/<driver>^<handle>` of what the kubelet says is mounted there. */
    readonly volumesInUse?: readonly string[];
  };
}

interface CsiSource {
  readonly driver: string;
  readonly volumeHandle: string;
}

export interface KubePersistentVolume extends KubeObject {
  readonly spec?: {
    readonly csi?: CsiSource;
    readonly claimRef?: { readonly namespace?: string; readonly name?: string; readonly uid?: string };
    readonly capacity?: { readonly storage?: string };
    readonly persistentVolumeReclaimPolicy?: string;
  };
  readonly status?: { readonly phase?: string };
}

export interface KubeClaim extends KubeObject {
  readonly spec?: { readonly volumeName?: string; readonly storageClassName?: string };
  readonly status?: { readonly phase?: string };
}

export interface KubeStorageClass extends KubeObject {
  readonly provisioner?: string;
  readonly volumeBindingMode?: string;
}

interface AttachmentError {
  readonly time?: string;
  readonly message?: string;
}

export interface KubeVolumeAttachment extends KubeObject {
  readonly spec?: {
    readonly attacher?: string;
    readonly nodeName?: string;
    readonly source?: {
      readonly persistentVolumeName?: string;
      readonly inlineVolumeSpec?: { readonly csi?: CsiSource };
    };
  };
  readonly status?: {
    readonly attached?: boolean;
    readonly attachmentMetadata?: Readonly<Record<string, string>>;
    readonly attachError?: AttachmentError;
    readonly detachError?: AttachmentError;
  };
}

export interface KubeCsiNode extends KubeObject {
  readonly spec?: { readonly drivers?: readonly { readonly name: string; readonly nodeID: string }[] };
}

export interface KubeSnapshotContent extends KubeObject {
  readonly spec?: {
    readonly driver?: string;
    /** One of the two: a snapshot that is to be taken, or one that was there before. */
    readonly source?: { readonly volumeHandle?: string; readonly snapshotHandle?: string };
  };
  readonly status?: { readonly snapshotHandle?: string };
}

export interface KubeGroupSnapshotContent extends KubeObject {
  readonly spec?: {
    readonly driver?: string;
    /** One of the two, as above. */
    readonly source?: {
      readonly volumeHandles?: readonly string[];
      readonly groupSnapshotHandles?: { readonly volumeGroupSnapshotHandle?: string };
    };
  };
  readonly status?: { readonly volumeGroupSnapshotHandle?: string };
}

export interface KubeCsiDriver extends KubeObject {
  readonly spec?: { readonly attachRequired?: boolean };
}

export interface KubeLabelled extends KubeObject {
  readonly metadata: Meta & { readonly labels?: Readonly<Record<string, string>> };
}

export interface KubePod extends KubeObject {
  readonly spec?: {
    readonly runtimeClassName?: string;
    readonly nodeName?: string;
    readonly containers?: readonly KubeContainer[];
    readonly initContainers?: readonly (KubeContainer & { readonly restartPolicy?: string })[];
    /** Of the pod as a whole (Kubernetes 1.34): it counts in the place of its containers'. */
    readonly resources?: KubeContainer['resources'];
    /** What its RuntimeClass adds; written by the API server. */
    readonly overhead?: { readonly memory?: string };
    readonly volumes?: readonly {
      readonly name?: string;
      readonly persistentVolumeClaim?: { readonly claimName?: string };
      /** A claim that the pod brings along: it is called `<pod>-<volume>`. */
      readonly ephemeral?: object;
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly KubeContainerStatus[];
  };
}

export interface KubeContainer {
  readonly resources?: { readonly limits?: { readonly memory?: string } };
}

export interface KubeContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: { readonly terminated?: KubeTermination };
  readonly lastState?: { readonly terminated?: KubeTermination };
}

export interface KubeTermination {
  readonly exitCode?: number;
  readonly reason?: string;
  readonly finishedAt?: string | null;
}

/** Of the core group. */
export interface KubeEvent extends KubeObject {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly series?: { readonly lastObservedTime?: string };
}

export interface KubeRuntimeClass extends KubeObject {
  readonly handler?: string;
}
