/** Lists as a server prints them for `kubectl get`: the columns of each kind, in Kubernetes' own words and order. */
import type { Thing } from '../../../kube/api-server.js';

type Columns = Readonly<Record<string, (thing: Tree) => unknown>>;
/** Any object, whose fields are looked at by name. */
type Tree = Readonly<Record<string, unknown>>;

const at = (thing: unknown, ...names: readonly string[]): unknown =>
  names.reduce<unknown>((tree, name) => (tree as Tree | undefined)?.[name], thing);

const COLUMNS: Readonly<Record<string, Columns>> = {
  storageclasses: {
    Name: (one) => at(one, 'metadata', 'name'),
    Provisioner: (one) => one['provisioner'],
    ReclaimPolicy: (one) => one['reclaimPolicy'],
    VolumeBindingMode: (one) => one['volumeBindingMode'],
    AllowVolumeExpansion: (one) => one['allowVolumeExpansion'],
  },
  persistentvolumeclaims: {
    Name: (one) => at(one, 'metadata', 'name'),
    Status: (one) => at(one, 'status', 'phase'),
    Volume: (one) => at(one, 'spec', 'volumeName'),
    Capacity: (one) => at(one, 'status', 'capacity', 'storage'),
    'Access Modes': (one) => at(one, 'spec', 'accessModes'),
    StorageClass: (one) => at(one, 'spec', 'storageClassName'),
    VolumeAttributesClass: () => '<unset>',
    Age: () => '1m',
  },
  volumeattachments: {
    Name: (one) => at(one, 'metadata', 'name'),
    Attacher: (one) => at(one, 'spec', 'attacher'),
    PV: (one) => at(one, 'spec', 'source', 'persistentVolumeName'),
    Node: (one) => at(one, 'spec', 'nodeName'),
    Attached: (one) => at(one, 'status', 'attached'),
  },
  volumesnapshotcontents: {
    Name: (one) => at(one, 'metadata', 'name'),
    ReadyToUse: (one) => at(one, 'status', 'readyToUse'),
    DeletionPolicy: (one) => at(one, 'spec', 'deletionPolicy'),
    Driver: (one) => at(one, 'spec', 'driver'),
  },
  pods: {
    Name: (one) => at(one, 'metadata', 'name'),
    Ready: () => '1/1',
    Status: (one) => at(one, 'status', 'phase'),
    Node: (one) => at(one, 'spec', 'nodeName'),
  },
};

/** Undefined where kubectl makes do with names. */
export function tableOf(plural: string, things: readonly Thing[]): object | undefined {
  const columns = COLUMNS[plural];
  if (columns === undefined) return undefined;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: Object.keys(columns).map((name) => ({
      name,
      type: 'string',
      format: '',
      description: '',
      priority: 0,
    })),
    rows: things.map((thing) => ({
      cells: Object.values(columns).map((cell) => String(cell(thing))),
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: thing.metadata },
    })),
  };
}
