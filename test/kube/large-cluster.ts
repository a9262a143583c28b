/** Objects of a large cluster as a real one has them: with managed fields, annotations and labels, so of real size. */
import { createHash } from 'node:crypto';
import type { Thing } from './api-server.js';

/** As an API server makes them of a name: of the right length, and the same each time. */
export function uidOf(name: string): string {
  const hex = createHash('md5').update(name).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Rises with the index, as lists are ordered by name. */
const number = (index: number): string => String(index).padStart(7, '0');

/** Who set which fields: a third of what a PersistentVolume has in bytes. */
const managed = (manager: string, paths: Readonly<Record<string, unknown>>) => ({
  ...{ manager, operation: 'Update', apiVersion: 'v1', time: '2026-10-01T08:15:30Z' },
  ...{ fieldsType: 'FieldsV1', fieldsV1: paths },
});

/** 2 to 3 KB, as csi-provisioner and the binder leave it. */
export function persistentVolume(index: number, driver: string, handle: string): Thing {
  const claim = `data-shop-${number(index)}-0`;
  const uid = uidOf(`claim ${index}`);
  const annotations = {
    'pv.kubernetes.io/provisioned-by': driver,
    'volume.kubernetes.io/provisioner-deletion-secret-name': 'berth-controller',
    'volume.kubernetes.io/provisioner-deletion-secret-namespace': 'berth-system',
  };
  const fields = {
    'f:metadata': { 'f:annotations': { '.': {}, ...dots(annotations) }, 'f:finalizers': { '.': {} } },
    'f:spec': {
      ...{ 'f:accessModes': {}, 'f:capacity': { '.': {}, 'f:storage': {} }, 'f:persistentVolumeReclaimPolicy': {} },
      'f:claimRef': { '.': {}, ...dots({ apiVersion: 0, kind: 0, name: 0, namespace: 0, resourceVersion: 0, uid: 0 }) },
      'f:csi': { '.': {}, ...dots({ controllerExpandSecretRef: 0, driver: 0, fsType: 0, nodeStageSecretRef: 0 }) },
      ...{ 'f:storageClassName': {}, 'f:volumeMode': {} },
    },
  };
  const secret = { name: 'berth-node', namespace: 'berth-system' };
  return {
    ...{ kind: 'PersistentVolume', apiVersion: 'v1' },
    metadata: {
      ...{ name: `pvc-${number(index)}-${uid}`, uid: uidOf(`pv ${index}`), resourceVersion: String(1_000 + index) },
      ...{ creationTimestamp: '2026-10-01T08:15:30Z', annotations },
      finalizers: ['external-provisioner.volume.kubernetes.io/finalizer', 'kubernetes.io/pv-protection'],
      managedFields: [managed('csi-provisioner', fields), managed('kube-controller-manager', { 'f:status': {} })],
    },
    spec: {
      ...{ capacity: { storage: '10Gi' }, accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem' },
      csi: {
        ...{ driver, volumeHandle: handle, fsType: 'ext4' },
        ...{ controllerExpandSecretRef: secret, nodeStageSecretRef: secret, nodePublishSecretRef: secret },
        volumeAttributes: { 'storage.kubernetes.io/csiProvisionerIdentity': `1727770530000-8081-${driver}` },
      },
      claimRef: {
        ...{ kind: 'PersistentVolumeClaim', namespace: 'shop', name: claim, uid },
        ...{ apiVersion: 'v1', resourceVersion: String(900 + index) },
      },
      ...{ persistentVolumeReclaimPolicy: 'Delete', storageClassName: 'berth' },
    },
    status: { phase: 'Bound', lastPhaseTransitionTime: '2026-10-01T08:15:31Z' },
  };
}

/** 1.5 KB, as the attach-detach controller and csi-attacher leave it. */
export function volumeAttachment(index: number, driver: string, pv: string, node: string): Thing {
  const name = `csi-${number(index)}${createHash('sha256').update(String(index)).digest('hex').slice(0, 57)}`;
  const fields = { 'f:spec': { 'f:attacher': {}, 'f:nodeName': {}, 'f:source': { 'f:persistentVolumeName': {} } } };
  const status = { 'f:status': { 'f:attached': {}, 'f:attachmentMetadata': {} } };
  return {
    ...{ kind: 'VolumeAttachment', apiVersion: 'storage.k8s.io/v1' },
    metadata: {
      ...{ name, uid: uidOf(name), resourceVersion: String(1_000 + index) },
      ...{ creationTimestamp: '2026-10-01T08:16:00Z', annotations: { 'csi.alpha.kubernetes.io/node-id': node } },
      finalizers: [`external-attacher/${driver.replaceAll('.', '-')}`],
      managedFields: [managed('kube-controller-manager', fields), managed('csi-attacher', status)],
    },
    spec: { attacher: driver, nodeName: node, source: { persistentVolumeName: pv } },
    status: { attached: true },
  };
}

const dots = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.keys(fields).map((name) => [`f:${name}`, {}]));
