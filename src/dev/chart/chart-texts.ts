/** The chart's files beside its templates of objects: values, their schema, and the sentences about wrong ones. */
import { OPTIONS } from '../../options/options.js';
import { SETTINGS, type Setting, type SettingValue } from '../../manifests/settings.js';

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

function schemaOf({ kind, help, pattern }: Setting): object {
  const description = pattern === undefined ? help : `${help}; ${pattern.wants}`;
  if (kind === 'switch') return { type: 'boolean', description };
  if (kind === 'count') return { type: 'integer', minimum: 1, description };
  if (kind === 'variables') {
    const names = Object.values(OPTIONS).map(({ variable }) => variable);
    return { type: 'object', description, propertyNames: { enum: names }, additionalProperties: { type: 'string' } };
  }
  return { type: 'string', description, ...(pattern === undefined ? {} : { pattern: pattern.text }) };
}

/** What a schema cannot say in words: Helm shows the sentence and installs nothing. */
export function checksTemplate(): string {
  const checks = [
    `{{- if ne .Release.Namespace ${JSON.stringify(NAMESPACE)} }}`,
    `{{- fail "install it with --namespace ${NAMESPACE}: classes, Secrets and arguments name that one" }}`,
    '{{- end }}',
    '{{- if not .Values.clusters }}',
    '{{- fail "clusters: it is needed: --set-file clusters=clusters.yaml (docs/parameters.md)" }}',
    '{{- end }}',
    ...SETTINGS.flatMap(checkOf),
  ];
  return `${checks.join('\n')}\n`;
}

/** Go's regular expressions know no look-ahead: such a pattern is left to the schema. */
function checkOf({ path, kind, pattern }: Setting): readonly string[] {
  if (kind === 'switch')
    return [
      `{{- if not (kindIs "bool" .Values.${path}) }}`,
      `{{- fail (printf "${path}: %v is neither true nor false" .Values.${path}) }}`,
      '{{- end }}',
    ];
  if (pattern === undefined || pattern.text.includes('(?!')) return [];
  const shown = kind === 'key' ? `"${path}: what is given is not ${pattern.wants}"` : wrongText(path, pattern.wants);
  return [
    `{{- if not (regexMatch ${JSON.stringify(pattern.text)} (toString .Values.${path})) }}`,
    `{{- fail ${kind === 'key' ? shown : `(${shown})`} }}`,
    '{{- end }}',
  ];
}

const wrongText = (path: string, wants: string): string => `printf "${path}: %q is not ${wants}" .Values.${path}`;
