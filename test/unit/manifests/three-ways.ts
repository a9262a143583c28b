/** One installation as each of the three ways is told of it: `--set`, the chart's values, an edited site. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify as fold } from 'yaml';
import type { KubeObject, Tree } from '../../../src/manifests/kube-object.js';
import type { GivenSettings } from '../../../src/manifests/read-settings.js';
import { COMPONENTS } from '../../../src/manifests/render.js';
import type { Variables } from '../../../src/manifests/settings.js';
import { root } from '../deploy/objects.js';
import type { Site } from './site.js';

export const CLUSTERS = `clusters:
  - id: prod
    monitors: ["[v2:10.0.0.1:3300,v1:10.0.0.1:6789]", "10.0.0.2"]
    pools:
      - name: fast # 100 %, {{ and "quoted"
    users:
      controller: { id: berth-controller, keyFile: /etc/berth/keys/controller }
      node: { id: berth-node, keyFile: /etc/berth/keys/node }
`;

/** A text that is folded gains a line where it is read by another parser. */
const stringify = (value: unknown): string => fold(value, { lineWidth: 0 });

/** Values by their path, `clusters` included. */
export type Told = Readonly<Record<string, string | number | boolean | Variables>>;

const textIn = (told: Told, setting: string): string | undefined => told[setting] as string | undefined;
const isKey = (setting: string): boolean => setting.endsWith('.userKey');

export function asSet(told: Told): GivenSettings {
  const pairs = Object.entries(told).flatMap(([setting, value]) =>
    typeof value === 'object'
      ? Object.entries(value).map(([name, text]) => [`${setting}.${name}`, text] as const)
      : [[setting, value] as const],
  );
  const words = (keys: boolean): string[] =>
    pairs.filter(([setting]) => isKey(setting) === keys).map(([setting, value]) => `${setting}=${String(value)}`);
  return { set: words(false), files: words(true) };
}

/** Over the chart's own values, as helm does it. */
export function asValues(told: Told): object {
  const values = parse(readFileSync(path.join(root, 'deploy/helm/berth/values.yaml'), 'utf8')) as Record<
    string,
    unknown
  >;
  for (const [setting, value] of Object.entries(told)) {
    const [group = '', name] = setting.split('.');
    if (name === undefined) values[group] = value;
    else (values[group] as Record<string, unknown>)[name] = value;
  }
  return values;
}

/** Beside the one that a site has anyway. */
const CLASSES: Readonly<Record<string, string>> = {
  'storageClasses.kata': 'storageclass-kata.yaml',
  'storageClasses.kataBlock': 'storageclass-kata-block.yaml',
  volumeSnapshotClass: 'volumesnapshotclass.yaml',
};

export function asSite(told: Told): Site {
  const on = (setting: string): boolean => told[setting] === true;
  const text = (setting: string): string | undefined => textIn(told, setting);
  const without = [
    ...(told['storageClasses.host'] === false ? ['storageclass.yaml'] : []),
    ...(Object.keys(told).some(isKey) ? [] : ['secrets.yaml']),
  ];
  return {
    components: COMPONENTS.flatMap(([name, setting]) => (setting !== undefined && on(setting) ? [name] : [])),
    resources: Object.entries(CLASSES).flatMap(([setting, file]) => (on(setting) ? [file] : [])),
    without,
    ...{
      root: text('kubeletRoot')!,
      plugins: text('volumePlugins')!,
      image: text('image.repository')!,
      tag: text('image.tag')!,
    },
    files: filesOf(told, without),
    patches: patchesOf(told),
  };
}

const siteFile = (file: string): string => readFileSync(path.join(root, 'deploy/site', file), 'utf8');
const withData = (file: string, data: Tree): string => stringify({ ...(parse(siteFile(file)) as KubeObject), data });

function filesOf(told: Told, without: readonly string[]): Readonly<Record<string, string>> {
  const classes = ['storageclass.yaml', ...Object.values(CLASSES)].map((file): [string, string] => [
    file,
    siteFile(file)
      .replace('pool: hyper', `pool: ${textIn(told, 'storageClasses.pool') ?? 'hyper'}`)
      .replace('clusterID: main', `clusterID: ${textIn(told, 'storageClasses.clusterID') ?? 'main'}`),
  ]);
  const secrets = siteFile('secrets.yaml')
    .split('---\n')
    .flatMap((one) => {
      const role = one.includes('name: berth-node') ? 'node' : 'controller';
      const userKey = told[`${role}.userKey`];
      const userID = told[`${role}.userID`] ?? `berth-${role}`;
      return userKey === undefined
        ? []
        : [stringify({ ...(parse(one) as KubeObject), stringData: { userID, userKey } })];
    });
  return Object.fromEntries([
    ...classes,
    ['clusters.yaml', withData('clusters.yaml', { 'clusters.yaml': told['clusters'] as string })],
    ['settings.yaml', withData('settings.yaml', (told['variables'] ?? {}) as Variables)],
    ...(without.includes('secrets.yaml') ? [] : [['secrets.yaml', secrets.join('---\n')]]),
  ]) as Readonly<Record<string, string>>;
}

/** As a site writes them where there is no file for it. */
function patchesOf(told: Told): readonly Tree[] {
  const about = (apiVersion: string, kind: string, name: string, more: object): Tree => {
    const metadata = { name, ...(kind === 'Namespace' ? {} : { namespace: 'berth-system' }) };
    return { patch: stringify({ apiVersion, kind, metadata, ...more }) };
  };
  const replicas = told['controller.replicas'];
  return [
    ...(replicas === undefined ? [] : [about('apps/v1', 'Deployment', 'berth-controller', { spec: { replicas } })]),
    ...(told['podDisruptionBudget'] === false
      ? [about('policy/v1', 'PodDisruptionBudget', 'berth-controller', { $patch: 'delete' })]
      : []),
    ...(told['createNamespace'] === false ? [about('v1', 'Namespace', 'berth-system', { $patch: 'delete' })] : []),
  ];
}
