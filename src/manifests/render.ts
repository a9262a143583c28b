/**
 * The manifests for one installation: those of deploy/kubernetes and deploy/site, which kustomize builds as well, with
 * settings put in. Nothing is written here that is not in those files.
 */
import path from 'node:path';
import { packageRoot } from '../model/package-root.js';
import { changeObject, type KubeObject, type Tree } from './kube-object.js';
import { addComponent, buildDirectory, readManifests } from './kustomize/build.js';
import { changeImages, setField } from './kustomize/replacements.js';
import type { SettingValues } from './read-settings.js';
import type { Variables } from './settings.js';

/** Files of deploy/site by the switch that takes them; those without one are always there. */
const SITE: readonly (readonly [string, string | undefined])[] = [
  ['clusters.yaml', undefined],
  ['kubelet.yaml', undefined],
  ['secrets.yaml', undefined],
  ['settings.yaml', undefined],
  ['storageclass.yaml', 'storageClasses.host'],
  ['storageclass-kata.yaml', 'storageClasses.kata'],
  ['storageclass-kata-block.yaml', 'storageClasses.kataBlock'],
  ['volumesnapshotclass.yaml', 'volumeSnapshotClass'],
];

/** Directories of deploy/kubernetes by the switch that takes them, in the order in which they are added. */
export const COMPONENTS: readonly (readonly [string, string | undefined])[] = [
  ['kubelet-root', undefined],
  ['older-kubernetes', 'olderKubernetes'],
  ['no-selinux', 'noSelinux'],
  ['no-modules', 'noModules'],
  ['flexvolume', 'flexVolume'],
  ['network-policy', 'networkPolicy'],
  ['monitoring', 'monitoring'],
  ['dashboard', 'dashboard'],
  ['group-snapshots', 'groupSnapshots'],
  ['snapshot-metadata', 'snapshotMetadata'],
  ['page', 'page'],
  ['page-service', 'pageService'],
];

/** Objects of deploy/kubernetes that a switch leaves out. */
const OPTIONAL: readonly (readonly [string, string, string])[] = [
  ['PodDisruptionBudget', 'berth-controller', 'podDisruptionBudget'],
  ['Namespace', 'berth-system', 'createNamespace'],
];

/** The image as the manifests name it. */
const IMAGE = 'berth/berth';

/** @param values of every setting, checked */
export function renderManifests(values: SettingValues, root = packageRoot()): readonly KubeObject[] {
  const at = (...names: string[]): string => path.join(root, 'deploy', ...names);
  const isOn = ([, name]: readonly [string, string | undefined]): boolean =>
    name === undefined || values.get(name) === true;
  const site = SITE.filter(isOn).flatMap(([file]) => readManifests(at('site', file)));
  const told = tell([...buildDirectory(at('kubernetes')), ...site], values);
  const made = COMPONENTS.filter(isOn).reduce((all, [name]) => addComponent(all, at('kubernetes', name)), told);
  const left = made.filter(
    ({ kind, metadata }) =>
      !OPTIONAL.some(([of, name, by]) => of === kind && name === metadata.name && values.get(by) !== true),
  );
  const image = { name: IMAGE, newName: textOf(values, 'image.repository'), newTag: textOf(values, 'image.tag') };
  return left.map((one) => changeImages(one, [image]) as unknown as KubeObject);
}

function textOf(values: SettingValues, name: string): string {
  const value = values.get(name);
  return typeof value === 'string' ? value : '';
}

function tell(objects: readonly KubeObject[], values: SettingValues): readonly KubeObject[] {
  const text = (name: string): string => textOf(values, name);
  let told = objects;
  const set = (kind: string, name: string, at: readonly string[], value: Tree): void => {
    told = changeObject(told, kind, name, (object) => put(object, at, value));
  };
  set('ConfigMap', 'berth-clusters', ['data', 'clusters.yaml'], text('clusters'));
  set('ConfigMap', 'berth-kubelet', ['data', 'root'], text('kubeletRoot'));
  set('ConfigMap', 'berth-kubelet', ['data', 'volumePlugins'], text('volumePlugins'));
  set('ConfigMap', 'berth-settings', ['data'], values.get('variables') as Variables);
  set('Deployment', 'berth-controller', ['spec', 'replicas'], values.get('controller.replicas') as number);
  for (const role of ['controller', 'node']) {
    const data = { userID: text(`${role}.userID`), userKey: text(`${role}.userKey`) };
    if (data.userKey === '')
      told = told.filter(({ kind, metadata }) => kind !== 'Secret' || metadata.name !== `berth-${role}`);
    else set('Secret', `berth-${role}`, ['stringData'], data);
  }
  return told.map((one) => (one.kind === 'StorageClass' ? classOf(one, values) : one));
}

function classOf(one: KubeObject, values: SettingValues): KubeObject {
  const pool = put(one, ['parameters', 'pool'], textOf(values, 'storageClasses.pool'));
  return put(pool, ['parameters', 'clusterID'], textOf(values, 'storageClasses.clusterID'));
}

const put = (object: KubeObject, at: readonly string[], value: Tree): KubeObject =>
  setField(object, at, () => value) as unknown as KubeObject;
