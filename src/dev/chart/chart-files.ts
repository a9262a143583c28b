/**
 * The Helm chart, made of the manifests and of the table of settings: each object is rendered with every switch off and
 * with each one on, and where the two differ the template has an `if`.
 */
import type { KubeObject, Tree } from '../../manifests/kube-object.js';
import { renderManifests } from '../../manifests/render.js';
import type { SettingValues } from '../../manifests/read-settings.js';
import { SETTINGS, type Setting, type SettingValue } from '../../manifests/settings.js';
import { packageRoot, packageVersion } from '../../model/package-root.js';
import { addCondition, lift, type Part, type Piece } from './conditional-tree.js';
import { checksTemplate, chartYaml, NOTES, valuesSchema, valuesYaml } from './chart-texts.js';
import { tokenOf } from './token.js';
import { writeTemplate } from './write-template.js';

/** Which template an object is written to. */
const TEMPLATES: readonly (readonly [string, readonly string[]])[] = [
  ['accounts.yaml', ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']],
  ['classes.yaml', ['StorageClass', 'VolumeSnapshotClass']],
  ['controller.yaml', ['Deployment', 'PodDisruptionBudget', 'NetworkPolicy', 'Service']],
  ['monitoring.yaml', ['ServiceMonitor', 'PrometheusRule']],
  ['node.yaml', ['DaemonSet']],
  ['settings.yaml', ['Namespace', 'CSIDriver', 'ConfigMap', 'Secret']],
];
const HEAD = '{{- /* Made by `npm run chart` of deploy/kubernetes and deploy/site: edit those. */ -}}\n';

/** Without them an object is not there: a key is one of them. */
const isCondition = ({ kind }: Setting): boolean => kind === 'switch' || kind === 'key';

/** File below the chart, and its text. */
export function chartFiles(root = packageRoot()): ReadonlyMap<string, string> {
  const without = renderManifests(valuesWith(undefined), root);
  const all = SETTINGS.filter(isCondition).reduce<Part>(
    (part, { path }) => addCondition(part, treeOf(without), treeOf(renderManifests(valuesWith(path), root)), path),
    lift(treeOf(without)),
  );
  if (all.kind !== 'list') throw new Error('the manifests are no list');
  const counts = new Set(SETTINGS.filter(({ kind }) => kind === 'count').map(({ path }) => path));
  const rest = all.items.map(kindOf).filter((kind) => !TEMPLATES.some(([, kinds]) => kinds.includes(kind)));
  if (rest.length > 0) throw new Error(`no template is for ${rest.join(', ')}`);
  const templates = TEMPLATES.map(([file, kinds]): [string, string] => {
    const objects = all.items.filter((piece) => kinds.includes(kindOf(piece)));
    return [`templates/${file}`, HEAD + writeTemplate(objects, counts)];
  });
  return new Map([
    ['Chart.yaml', chartYaml(packageVersion())],
    ['values.yaml', valuesYaml()],
    ['values.schema.json', valuesSchema()],
    ['templates/NOTES.txt', NOTES],
    ['templates/checks.yaml', checksTemplate()],
    ...templates,
  ]);
}

const treeOf = (objects: readonly KubeObject[]): Tree => objects;

/** Every text a token, every switch off but this one. */
const valuesWith = (on: string | undefined): SettingValues =>
  new Map(SETTINGS.map((setting): [string, SettingValue] => [setting.path, symbolOf(setting, setting.path === on)]));

function symbolOf({ path, kind }: Setting, isOn: boolean): SettingValue {
  if (kind === 'switch') return isOn;
  if (kind === 'key') return isOn ? tokenOf(path) : '';
  return kind === 'variables' ? { [tokenOf(path)]: '' } : tokenOf(path);
}

function kindOf({ part }: Piece): string {
  const kind = part.kind === 'map' ? part.entries.find(({ key }) => key === 'kind')?.part : undefined;
  return kind?.kind === 'scalar' ? String(kind.value) : '';
}
