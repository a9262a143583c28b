/** The chart's files beside its templates of objects: values, their schema, and the sentences about wrong ones. */
import type { OptionEntry } from '../../options/option-entry.js';
import { OPTIONS } from '../../options/options.js';
import { COUNT, SETTINGS, type Setting, type SettingValue } from '../../manifests/settings.js';

/** Where all of it lives: the names of Secrets in classes and arguments say so as well. */
const NAMESPACE = 'berth-system';

export const chartYaml = (version: string): string => `apiVersion: v2
name: berth
description: Ceph RBD volumes for pods, also for those that run inside virtual machines
type: application
version: ${version}
appVersion: "${version}"
kubeVersion: ">=1.26.0-0"
`;

export const NOTES = `Berth is installed as ${NAMESPACE}.

  kubectl -n ${NAMESPACE} get pods -o wide     # two controllers, one pod on each node, all ready
  kubectl -n ${NAMESPACE} logs deploy/berth-controller -c berth | grep readiness

{{- if not .Values.createNamespace }}

The node plugin is privileged. Where the cluster keeps to Pod Security Standards:

  kubectl label namespace ${NAMESPACE} pod-security.kubernetes.io/enforce=privileged
{{- end }}
`;

/** Those without a group, and those of each group by its name, in the order of the table. */
function grouped(): {
  readonly settings: readonly Setting[];
  readonly groups: ReadonlyMap<string, readonly Setting[]>;
} {
  const settings = SETTINGS.filter(({ path }) => !path.includes('.'));
  const groups = new Map<string, Setting[]>();
  for (const setting of SETTINGS) {
    const [group = '', name] = setting.path.split('.');
    if (name !== undefined) groups.set(group, [...(groups.get(group) ?? []), setting]);
  }
  return { settings, groups };
}

const fallbackOf = ({ fallback, chartFallback }: Setting): SettingValue => chartFallback ?? fallback;
const nameOf = ({ path }: Setting): string => path.replace(/^.*[.]/, '');

const lineOf = (setting: Setting, indent: string): string =>
  `${indent}# ${setting.help}\n${indent}${nameOf(setting)}: ${JSON.stringify(fallbackOf(setting))}\n`;

export function valuesYaml(): string {
  const { settings, groups } = grouped();
  const own = settings.map((setting) => lineOf(setting, '')).join('');
  const rest = [...groups].map(([name, group]) => {
    return `\n${name}:\n${group.map((setting) => lineOf(setting, '  ')).join('')}`;
  });
  const head = '# Made by `npm run chart`: docs/install.md explains each. Unknown names are refused.\n';
  return `${head}${own}${rest.join('')}`;
}

/** Draft 7, which Helm takes. */
export function valuesSchema(): string {
  const { settings, groups } = grouped();
  const propertiesOf = (all: readonly Setting[]): object =>
    Object.fromEntries(all.map((setting) => [nameOf(setting), schemaOf(setting)]));
  const objectOf = (properties: object): object => ({ type: 'object', additionalProperties: false, properties });
  const nested = [...groups].map(([name, group]) => [name, objectOf(propertiesOf(group))] as const);
  const properties = { ...propertiesOf(settings), ...Object.fromEntries(nested), global: { type: 'object' } };
  const schema = { $schema: 'http://json-schema.org/draft-07/schema#', ...objectOf(properties) };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/**
 * Types and names only: Helm looks at the schema before any template, and says of a pattern "does not match". The
 * sentences of checks.yaml answer for what a text is.
 */
function schemaOf({ kind, help, pattern }: Setting): object {
  const description = pattern === undefined ? help : `${help}; ${pattern.wants}`;
  if (kind === 'switch') return { type: 'boolean', description };
  if (kind === 'count') return { type: 'integer', description };
  if (kind !== 'variables') return { type: 'string', description };
  const names = Object.values(OPTIONS).map(({ variable }) => variable);
  return { type: 'object', description, propertyNames: { enum: names }, additionalProperties: { type: 'string' } };
}

/** Of each value that cannot be, in words: Helm shows the sentence and installs nothing. */
export function checksTemplate(): string {
  const checks = [
    ...refuse(
      `ne .Release.Namespace ${JSON.stringify(NAMESPACE)}`,
      `"install it with --namespace ${NAMESPACE}: classes, Secrets and arguments name that one"`,
    ),
    ...refuse(
      'not (trim (default "" .Values.clusters))',
      '"clusters: it is needed: --set-file clusters=clusters.yaml (docs/parameters.md)"',
    ),
    ...SETTINGS.flatMap(checkOf),
  ];
  return `${checks.join('\n')}\n`;
}

const refuse = (condition: string, sentence: string): readonly string[] => [
  `{{- if ${condition} }}`,
  `{{- fail ${sentence} }}`,
  '{{- end }}',
];

function checkOf({ path, kind, pattern }: Setting): readonly string[] {
  const value = `.Values.${path}`;
  const shown = (place: string, rest: string): string => `(printf "${path}: ${place} ${rest}" ${value})`;
  if (kind === 'variables')
    return [
      `{{- $variables := default dict ${value} }}`,
      ...Object.values(OPTIONS).flatMap((option) => checkOfVariable(path, option)),
    ];
  if (kind === 'switch') return refuse(`not (kindIs "bool" ${value})`, shown('%v', 'is neither true nor false'));
  if (kind === 'count') {
    return refuse(`not (${matches(COUNT, value)})`, shown('%v', 'is no whole number above zero'));
  }
  if (pattern === undefined) return [];
  const wrong = `not (${matches(pattern.text, value)})`;
  const condition = pattern.unless === undefined ? wrong : `or (${wrong}) (${matches(pattern.unless, value)})`;
  const rest = `is not ${pattern.wants}`;
  // A key stands in no sentence.
  return refuse(condition, kind === 'key' ? `"${path}: what is given ${rest}"` : shown('%q', rest));
}

/** As the driver refuses it by itself, where a regular expression tells. */
function checkOfVariable(path: string, { variable, read: { form } }: OptionEntry<unknown>): readonly string[] {
  if (form === undefined) return [];
  const value = `(index $variables ${JSON.stringify(variable)})`;
  const condition = `and (hasKey $variables ${JSON.stringify(variable)}) (not (${matches(form.pattern, value)}))`;
  return refuse(condition, `(printf "${path}: ${variable}: %q ${form.refusal}" ${value})`);
}

const matches = (pattern: string, value: string): string => `regexMatch ${JSON.stringify(pattern)} (toString ${value})`;
