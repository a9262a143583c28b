/**
 * The driver's options, each once: flag, environment variable, default, reader and help. Parsing, `--help`, completion
 * and docs/parameters.md all come from this table.
 */
import { FENCING_POLICIES } from '../attachment/decide-detach.js';
import { MOUNTER_CHOICES } from '../model/mapper-name.js';
import { option, optional, type OptionEntry } from './option-entry.js';
import {
  absolutePath,
  absolutePathOr,
  asText,
  identifier,
  listOf,
  oneOf,
  onOrOff,
  someOf,
  textOrNone,
  wholeNumber,
} from './option-values.js';
import { PAGE_OPTIONS } from './page-options.js';
import { usageError } from './usage-error.js';

export type ServiceName = 'identity' | 'controller' | 'node';

const SERVICES: readonly ServiceName[] = ['identity', 'controller', 'node'];
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
/** What CSI allows a node id, in bytes. */
const MAX_NODE_ID = 256;

export const OPTIONS = {
  endpoint: option({
    flag: 'endpoint',
    variable: 'CSI_ENDPOINT',
    fallback: 'unix:///csi/csi.sock',
    value: 'unix:///PATH',
    help: 'the socket on which CSI is served',
    read: asText,
  }),
  clusters: option({
    flag: 'clusters',
    variable: 'BERTH_CLUSTERS',
    fallback: '/etc/berth/clusters.yaml',
    value: 'FILE',
    help: 'clusters, their pools and users',
    read: asText,
  }),
  nodeId: option({
    flag: 'node-id',
    variable: 'NODE_ID',
    fallback: '',
    value: 'NAME',
    help: 'this node; the node service needs it',
    read: asText,
  }),
  /** Undefined: the orchestrator is asked. */
  installation: optional({
    flag: 'installation',
    variable: 'BERTH_INSTALLATION',
    value: 'NAME',
    help: "whose nodes these are, where several share a pool; else the Kubernetes cluster's own uid",
    read: identifier,
  }),
  machineId: optional({
    flag: 'machine-id',
    variable: 'BERTH_MACHINE_ID',
    value: 'ID',
    help: "what tells this machine from another of its name; else the hardware's uuid, or one of the state directory",
    read: identifier,
  }),
  stateDirectory: option({
    flag: 'state-dir',
    variable: 'BERTH_STATE_DIR',
    fallback: '/var/lib/berth',
    value: 'DIRECTORY',
    help: "the node's journal",
    read: absolutePath,
  }),
  services: option({
    flag: 'services',
    variable: 'BERTH_SERVICES',
    fallback: SERVICES.join(','),
    value: 'LIST',
    choices: SERVICES,
    help: 'what this process serves; identity always',
    read: someOf(SERVICES, ['identity']),
  }),
  /** Of volumes whose StorageClass leaves it open. */
  mounter: option({
    flag: 'mounter',
    variable: 'BERTH_MOUNTER',
    fallback: 'auto',
    value: MOUNTER_CHOICES.join('|'),
    choices: MOUNTER_CHOICES,
    help:
      'how a volume is mapped whose StorageClass leaves it open, auto by the first that works; ' +
      'loop only in a development driver',
    read: oneOf(MOUNTER_CHOICES),
  }),
  maxVolumes: optional({
    flag: 'max-volumes-per-node',
    variable: 'BERTH_MAX_VOLUMES_PER_NODE',
    value: 'N',
    help: 'volumes that this node takes, where that is less than the kernel can hold',
    read: wholeNumber(1),
  }),
  /** The kubelet's root, by the same path for the kubelet and the node plugin; undefined where there is no kubelet. */
  kubeletDirectory: option({
    flag: 'kubelet-dir',
    variable: 'BERTH_KUBELET_DIR',
    fallback: '/var/lib/kubelet',
    value: 'DIRECTORY|none',
    choices: ['none'],
    help: "the kubelet's root directory, below which its pods and plugins are; none where there is no kubelet",
    read: absolutePathOr(['none'], (text) => (text === 'none' ? undefined : text)),
  }),
  /** In s; 0 for none at all. */
  reconcileInterval: option({
    flag: 'reconcile-interval',
    variable: 'BERTH_RECONCILE_INTERVAL',
    fallback: '300',
    value: 'SECONDS',
    help: 'between two comparisons of what should be with what is; 0 for none, and no look for garbage',
    read: wholeNumber(0),
  }),
  /** In s. */
  leftoverAge: option({
    flag: 'leftover-age',
    variable: 'BERTH_LEFTOVER_AGE',
    fallback: '600',
    value: 'SECONDS',
    help: 'at rest, before what looks left over is touched',
    read: wholeNumber(1),
  }),
  /** When the controller may fence the client of a node that does not let go by itself. */
  fencing: option({
    flag: 'fencing',
    variable: 'BERTH_FENCING',
    fallback: 'out-of-service',
    value: FENCING_POLICIES.join('|'),
    choices: FENCING_POLICIES,
    help: 'whose clients the controller may fence',
    read: oneOf(FENCING_POLICIES),
  }),
  /** In s. */
  nodeLostAfter: option({
    flag: 'node-lost-after',
    variable: 'BERTH_NODE_LOST_AFTER',
    fallback: '300',
    value: 'SECONDS',
    help: 'of silence, before a node may count as lost',
    read: wholeNumber(1),
  }),
  /** Of the controller alone: nodes are told by the attach. */
  volumeUsers: option({
    flag: 'volume-users',
    variable: 'BERTH_VOLUME_USERS',
    fallback: 'off',
    value: 'on|off',
    choices: ['on', 'off'],
    help: 'whether the controller makes a Ceph user for each volume that it attaches, and drops it at the detach',
    read: onOrOff,
  }),
  /** In s. */
  workGrace: option({
    flag: 'work-grace',
    variable: 'BERTH_WORK_GRACE',
    fallback: '300',
    value: 'SECONDS',
    help: 'after SIGTERM, for checks, growths and the like that run, while they move; less than the pod has to stop',
    read: wholeNumber(0),
  }),
  purges: option({
    flag: 'purges',
    variable: 'BERTH_PURGES',
    fallback: '4',
    value: 'N',
    help: 'deleted volumes whose data this controller removes at a time',
    read: wholeNumber(1),
  }),
  flexvolumeEndpoint: optional({
    flag: 'flexvolume-endpoint',
    variable: 'BERTH_FLEXVOLUME_ENDPOINT',
    value: 'unix:///PATH',
    help: 'the socket for the FlexVolume binary; FlexVolume is not served unless it is given',
    read: textOrNone,
  }),
  /** The only directory from which a pod's FlexVolume options may name a keyring. */
  keyringDirectory: option({
    flag: 'keyring-dir',
    variable: 'BERTH_KEYRING_DIR',
    fallback: '/etc/berth/keyrings',
    value: 'DIRECTORY',
    help: 'keyrings that FlexVolume options may name',
    read: absolutePath,
  }),
  kataRecords: option({
    flag: 'kata-records',
    variable: 'BERTH_KATA_RECORDS',
    fallback: '/run/kata-containers/shared/direct-volumes',
    value: 'DIRECTORY',
    help: "where Kata's runtimes look for records of direct-assigned volumes",
    read: absolutePath,
  }),
  kataHandlers: option({
    flag: 'kata-handlers',
    variable: 'BERTH_KATA_HANDLERS',
    fallback: 'kata,kata-*',
    value: 'LIST',
    help: 'handlers of RuntimeClasses that run Kata; a star at the end stands for anything',
    read: (text, where): readonly string[] =>
      listOf(asText)(text, where)
        .map((name) => name.trim())
        .filter((name) => name !== ''),
  }),
  kubernetes: option({
    flag: 'kubernetes',
    variable: 'BERTH_KUBERNETES',
    fallback: 'auto',
    value: 'auto|off|FILE',
    choices: ['auto', 'off'],
    help: "the API: by the pod's service account where there is one, none, or by a kubeconfig",
    read: absolutePathOr(['auto', 'off'], (text) => text),
  }),
  metricsAddress: optional({
    flag: 'metrics-address',
    variable: 'BERTH_METRICS_ADDRESS',
    value: 'HOST:PORT',
    help: 'where /metrics shows counters to Prometheus; nowhere unless it is given',
    read: textOrNone,
  }),
  ...PAGE_OPTIONS,
  logLevel: option({
    flag: 'log-level',
    variable: 'BERTH_LOG_LEVEL',
    fallback: 'info',
    value: 'LEVEL',
    choices: LEVELS,
    help: `what is logged: ${LEVELS.join(', ')}`,
    read: oneOf(LEVELS),
  }),
};

export type OptionName = keyof typeof OPTIONS;
type ValueOf<E> = E extends OptionEntry<infer T> ? T : never;
export type Options = { readonly [Name in OptionName]: ValueOf<(typeof OPTIONS)[Name]> };

/** By flag. */
export type Given = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** One option, by flag, variable or default. BERTH_USAGE names the flag, or the variable where that is read. */
export function readOption<Name extends OptionName>(name: Name, given: Given, env: Environment): Options[Name] {
  const { flag, variable, fallback, read }: OptionEntry<unknown> = OPTIONS[name];
  const isGiven = given[flag] !== undefined;
  const text = given[flag] ?? env[variable] ?? fallback;
  const where = isGiven || env[variable] === undefined ? `--${flag}` : `${variable} (--${flag})`;
  return (text === undefined ? undefined : read(text, where)) as Options[Name];
}

/** All of them, checked before anything starts. BERTH_USAGE. */
export function readOptions(given: Given, env: Environment): Options {
  const names = Object.keys(OPTIONS) as OptionName[];
  const options = Object.fromEntries(names.map((name) => [name, readOption(name, given, env)])) as unknown as Options;
  if (options.services.includes('node')) checkNodeId(options.nodeId);
  if (options.flexvolumeEndpoint !== undefined && options.kubeletDirectory === undefined)
    throw usageError('--flexvolume-endpoint', 'it needs a kubelet; give its root as --kubelet-dir');
  return options;
}

function checkNodeId(nodeId: string): void {
  if (nodeId === '') throw usageError('--node-id', 'the node service needs it');
  if (Buffer.byteLength(nodeId) > MAX_NODE_ID) throw usageError('--node-id', `it has more than ${MAX_NODE_ID} bytes`);
}
