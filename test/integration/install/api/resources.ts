/** The kinds that the stand-in serves to kubectl, and how a server tells of them. */

export interface Resource {
  /** `v1`, `apps/v1` */
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
  readonly shortNames: readonly string[];
}

const VERBS = ['create', 'delete', 'get', 'list', 'patch', 'watch'];

const made = (version: string, isNamespaced: boolean, kinds: readonly string[]): readonly Resource[] =>
  kinds.map((text) => {
    const [kind = '', ...shortNames] = text.split(' ');
    const lower = kind.toLowerCase();
    const plural = lower.endsWith('s') ? `${lower}es` : lower.replace(/y$/, 'ie') + 's';
    return { version, plural, kind, isNamespaced, shortNames };
  });

/** With the short names that people type. */
export const RESOURCES: readonly Resource[] = [
  ...made('v1', false, ['Namespace ns', 'Node no', 'PersistentVolume pv']),
  ...made('v1', true, ['ConfigMap cm', 'PersistentVolumeClaim pvc', 'Pod po', 'Secret', 'Service svc']),
  ...made('v1', true, ['ServiceAccount sa']),
  ...made('apps/v1', true, ['DaemonSet ds', 'Deployment deploy']),
  ...made('networking.k8s.io/v1', true, ['NetworkPolicy netpol']),
  ...made('policy/v1', true, ['PodDisruptionBudget pdb']),
  ...made('rbac.authorization.k8s.io/v1', false, ['ClusterRole', 'ClusterRoleBinding']),
  ...made('rbac.authorization.k8s.io/v1', true, ['Role', 'RoleBinding']),
  ...made('storage.k8s.io/v1', false, ['CSIDriver', 'CSINode', 'StorageClass sc', 'VolumeAttachment']),
  ...made('snapshot.storage.k8s.io/v1', false, ['VolumeSnapshotClass', 'VolumeSnapshotContent']),
];

const versions = [...new Set(RESOURCES.map(({ version }) => version))];
const pathOf = (version: string): string => (version === 'v1' ? 'api/v1' : `apis/${version}`);

/** Where its objects lie. */
export const collectionOf = ({ version, plural, isNamespaced }: Resource, namespace: string): string =>
  `/${pathOf(version)}/${isNamespaced ? `namespaces/${namespace}/` : ''}${plural}`;

export const resourceAt = (group: string, plural: string): Resource | undefined =>
  RESOURCES.find(
    (one) => one.plural === plural && (one.version.includes('/') ? one.version.split('/')[0] : '') === group,
  );

/** What a server says of itself at a path; undefined where the path is about objects. */
export function discovered(pathname: string): object | undefined {
  if (pathname === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (pathname === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: versions.flatMap(groupOf) };
  if (pathname === '/openapi/v3')
    return {
      paths: Object.fromEntries(versions.map((one) => [pathOf(one), { serverRelativeURL: `/openapi/v3/${one}` }])),
    };
  const described = versions.find((one) => pathname === `/openapi/v3/${one}`);
  if (described !== undefined) return openApiOf(described);
  const version = versions.find((one) => pathname === `/${pathOf(one)}`);
  return version === undefined ? undefined : listOf(version);
}

function groupOf(groupVersion: string): readonly object[] {
  const [name = '', version] = groupVersion.split('/');
  const preferredVersion = { groupVersion, version };
  return version === undefined ? [] : [{ name, versions: [preferredVersion], preferredVersion }];
}

const listOf = (groupVersion: string): object => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion,
  resources: RESOURCES.filter(({ version }) => version === groupVersion).map(
    ({ plural: name, kind, isNamespaced: namespaced, shortNames }) => ({
      ...{ name, singularName: kind.toLowerCase(), namespaced, kind, verbs: VERBS, shortNames },
    }),
  ),
});

/** Only what kubectl looks for: that the server itself refuses unknown fields. */
function openApiOf(groupVersion: string): object {
  const [group = '', version = 'v1'] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion];
  const paths = RESOURCES.filter((one) => one.version === groupVersion).map(({ kind, plural }) => {
    const parameters = [{ name: 'fieldValidation', in: 'query' }];
    const patch = { parameters, responses: {}, 'x-kubernetes-group-version-kind': { group, version, kind } };
    return [`/${plural}/{name}`, { patch }];
  });
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1' }, paths: Object.fromEntries(paths) as object };
}
