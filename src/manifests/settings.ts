/**
 * What an installation may be told, each setting once: of `berth manifests --set`, of the Helm chart (values.yaml and
 * its schema are made of this table), and of docs/install.md.
 */
import { readOption, OPTIONS, type OptionName } from '../options/options.js';
import { packageVersion } from '../model/package-root.js';
import { parseClusters } from '../rbd/clusters-file.js';

/** `variables` is a map of options by their variable; a `key` is secret and comes from a file. */
export type SettingKind = 'text' | 'key' | 'count' | 'switch' | 'variables';
export type Variables = Readonly<Record<string, string>>;
export type SettingValue = string | number | boolean | Variables;

/** What a text must be, by regular expressions that JavaScript and Go read alike: Go's have no look-ahead. */
export interface Pattern {
  readonly text: string;
  /** What it must not be all the same. */
  readonly unless?: string;
  /** In words, behind "is not". */
  readonly wants: string;
}

export interface Setting {
  /** `controller.userKey`: as Helm and `--set` write it. */
  readonly path: string;
  readonly kind: SettingKind;
  readonly fallback: SettingValue;
  /** Where the chart has another one, since Helm does a part by itself. */
  readonly chartFallback?: SettingValue;
  readonly help: string;
  readonly pattern?: Pattern;
  /** Why a text cannot be, where a pattern does not tell; undefined where it can. */
  readonly whyNot?: (text: string) => string | undefined;
}

/** Of a count, as text. */
export const COUNT = '^[1-9][0-9]{0,3}$';
const NAME = { text: '^[A-Za-z0-9][A-Za-z0-9._-]*$', wants: 'a name of A-Z a-z 0-9 . _ -' };
const USER = { text: NAME.text, unless: '^client[.]|^admin$', wants: 'a user without client., not admin' };
const KEY = { text: '^$|^[A-Za-z0-9+/]{20,}={0,2}$', wants: 'a key as ceph auth get-key prints it' };
const PATH = { text: '^/[^ ]*[^/ ]$', wants: 'an absolute path without a slash at its end' };
const IMAGE = { text: '^[a-z0-9][a-z0-9._:/-]*[a-z0-9]$', wants: 'an image without its tag' };
const TAG = { text: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$', wants: 'a tag of an image' };

const on = (path: string, help: string): Setting => ({ path, kind: 'switch', fallback: true, help });
const off = (path: string, help: string): Setting => ({ path, kind: 'switch', fallback: false, help });

/** In the order in which they are shown. */
export const SETTINGS: readonly Setting[] = [
  {
    path: 'clusters',
    kind: 'text',
    fallback: '',
    help: 'the clusters file (docs/parameters.md); needed',
    whyNot: whyNotClusters,
  },
  {
    path: 'image.repository',
    kind: 'text',
    fallback: 'berth/berth',
    help: 'where the image was pushed',
    pattern: IMAGE,
  },
  { path: 'image.tag', kind: 'text', fallback: packageVersion(), help: 'its tag', pattern: TAG },
  {
    path: 'controller.userID',
    kind: 'text',
    fallback: 'berth-controller',
    help: "the controller's cephx user, as the clusters file says it",
    pattern: USER,
  },
  {
    path: 'controller.userKey',
    kind: 'key',
    fallback: '',
    help: 'its key; empty where you make the Secret berth-controller yourself',
    pattern: KEY,
  },
  {
    path: 'node.userID',
    kind: 'text',
    fallback: 'berth-node',
    help: "the nodes' cephx user, as the clusters file says it",
    pattern: USER,
  },
  {
    path: 'node.userKey',
    kind: 'key',
    fallback: '',
    help: 'its key; empty where you make the Secret berth-node yourself',
    pattern: KEY,
  },
  {
    path: 'kubeletRoot',
    kind: 'text',
    fallback: '/var/lib/kubelet',
    help: "the kubelet's --root-dir on the nodes",
    pattern: PATH,
  },
  {
    path: 'volumePlugins',
    kind: 'text',
    fallback: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec',
    help: "the kubelet's --volume-plugin-dir, for flexVolume",
    pattern: PATH,
  },
  { path: 'controller.replicas', kind: 'count', fallback: 2, help: 'how many controllers run' },
  {
    path: 'variables',
    kind: 'variables',
    fallback: {},
    help: "options of the driver by their variables, as BERTH_FENCING (docs/parameters.md); a manifest's argument wins",
  },
  { path: 'storageClasses.clusterID', kind: 'text', fallback: 'main', help: "the classes' cluster", pattern: NAME },
  { path: 'storageClasses.pool', kind: 'text', fallback: 'hyper', help: "the classes' pool", pattern: NAME },
  on('storageClasses.host', 'the class berth-rbd, for pods of the node'),
  off('storageClasses.kata', 'the class berth-kata: filesystems for virtual machines of Kata'),
  off('storageClasses.kataBlock', 'the class berth-kata-block: raw devices for virtual machines of Kata'),
  off('volumeSnapshotClass', 'the class of snapshots; needs the snapshot CRDs'),
  off('olderKubernetes', 'sidecars for Kubernetes 1.26 to 1.33'),
  off('groupSnapshots', 'group snapshots; needs their CRDs'),
  off('snapshotMetadata', 'changed blocks for backup tools; needs its CRD and the Secret berth-snapshot-metadata'),
  off('flexVolume', 'the FlexVolume driver on each node, and its door at the node plugin (docs/flexvolume.md)'),
  off('networkPolicy', "a NetworkPolicy for the controller's pods"),
  off('monitoring', 'ServiceMonitor and alerts; needs the CRDs of monitoring.coreos.com'),
  off('dashboard', "a dashboard for Grafana's sidecar"),
  off('page', 'the page of all volumes, for kubectl port-forward; needs the Secret berth-page (docs/page.md)'),
  off('pageService', 'a Service for it, by TLS; needs page, and tls.crt and tls.key in that Secret'),
  on('podDisruptionBudget', 'a drain leaves one controller'),
  off('noSelinux', 'for nodes without SELinux whose /etc is read-only'),
  off('noModules', 'for nodes whose kernel has rbd built in, with a read-only root and no /lib/modules'),
  { ...on('createNamespace', 'the namespace berth-system, with the label for privileged pods'), chartFallback: false },
];

/** Undefined where the driver would take it. */
function whyNotClusters(text: string): string | undefined {
  if (text.trim() === '') return 'it is needed: --set-file clusters=clusters.yaml';
  return failureOf(() => parseClusters(text, 'clusters.yaml'));
}

/** Why these variables cannot be; undefined where the driver would take them. */
export function whyNotVariables(variables: Variables): string | undefined {
  for (const [variable, text] of Object.entries(variables)) {
    const name = (Object.keys(OPTIONS) as OptionName[]).find((one) => OPTIONS[one].variable === variable);
    if (name === undefined) return `${variable} is no variable of the driver; see berth --help`;
    const why = failureOf(() => readOption(name, {}, { [variable]: text }));
    if (why !== undefined) return why;
  }
  return undefined;
}

function failureOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^BERTH_[A-Z_]+: /, '') : String(error);
  }
}
