/** The command line: every option has an environment variable beside it and is checked before anything starts. */
import { parseArgs } from 'node:util';
import { FENCING_POLICIES, type FencingPolicy } from './attachment/decide-detach.js';
import { berthError } from './model/errors.js';
import type { MounterChoice } from './rbd/mapping/mapper.js';

export type ServiceName = 'identity' | 'controller' | 'node';

export interface Options {
  readonly endpoint: string;
  readonly clusters: string;
  readonly nodeId: string;
  readonly stateDirectory: string;
  readonly services: readonly ServiceName[];
  readonly mounter: MounterChoice;
  readonly maxVolumes: number | undefined;
  readonly logLevel: string;
  /** kubelet's root directory, as the node plugin sees it. */
  readonly kubeletDirectory: string;
  /** Between two rounds of reconciliation, in s; 0 for none at all. */
  readonly reconcileInterval: number;
  /** Where Kata's runtimes look for records of direct-assigned volumes. */
  readonly kataRecords: string;
  /** Handlers of RuntimeClasses that run Kata; a star at the end stands for anything. */
  readonly kataHandlers: readonly string[];
  /** How long what looks left over must have been at rest before it is touched, in s. */
  readonly leftoverAge: number;
  /** When the controller may fence the client of a node that does not let go by itself. */
  readonly fencing: FencingPolicy;
  /** How long a node must be silent before it may count as lost, in s. */
  readonly nodeLostAfter: number;
  /** Where the FlexVolume binary asks; undefined for no such door. */
  readonly flexvolumeEndpoint: string | undefined;
  /** `host:port` at which counters are shown; undefined for nowhere. */
  readonly metricsAddress: string | undefined;
  /** The only directory from which a pod's FlexVolume options may name a keyring. */
  readonly keyringDirectory: string;
  /** `auto` (in a pod with a service account), `off`, or the path of a kubeconfig. */
  readonly kubernetes: string;
}

const SERVICES: readonly ServiceName[] = ['identity', 'controller', 'node'];
const MOUNTERS: readonly MounterChoice[] = ['auto', 'krbd', 'nbd', 'loop'];
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
/** What CSI allows a node id, in bytes. */
const MAX_NODE_ID = 256;

export const USAGE = `berth: a CSI driver for Ceph RBD

  --endpoint unix:///csi/csi.sock      where to serve                        (CSI_ENDPOINT)
  --clusters /etc/berth/clusters.yaml  clusters, pools and users             (BERTH_CLUSTERS)
  --node-id NAME                       this node, needed by the node service (NODE_ID)
  --state-dir /var/lib/berth           the node's journal                    (BERTH_STATE_DIR)
  --services identity,controller,node  what to serve                         (BERTH_SERVICES)
  --mounter auto|krbd|nbd|loop         how to map where a volume leaves it open; loop is for development only
  --max-volumes-per-node N             below what the kernel can hold
  --kubelet-dir /var/lib/kubelet       where the kubelet keeps pods, plugins (BERTH_KUBELET_DIR)
  --reconcile-interval 300             s between looks for what crashes left here, 0 for none (BERTH_RECONCILE_INTERVAL)
  --leftover-age 600                   s that a leftover is left to the kubelet (BERTH_LEFTOVER_AGE)
  --fencing never|out-of-service|node-lost  whose clients the controller may fence (BERTH_FENCING, out-of-service)
  --node-lost-after 300                s of silence before a node may count as lost (BERTH_NODE_LOST_AFTER)
  --flexvolume-endpoint unix:///csi/flexvolume.sock  for the FlexVolume binary, none unless given (BERTH_FLEXVOLUME_ENDPOINT)
  --keyring-dir /etc/berth/keyrings    keyrings that FlexVolume options may name  (BERTH_KEYRING_DIR)
  --kata-records /run/kata-containers/shared/direct-volumes    where Kata looks for volumes (BERTH_KATA_RECORDS)
  --kata-handlers kata,kata-*          RuntimeClass handlers that run Kata   (BERTH_KATA_HANDLERS)
  --kubernetes auto|off|PATH           the API: of the pod that this is, none, or of a kubeconfig (BERTH_KUBERNETES)
  --metrics-address 127.0.0.1:9810     counters for Prometheus at /metrics, none unless given (BERTH_METRICS_ADDRESS)
  --log-level info
  --version, --help

berth doctor [--json] [the same options]: looks at this machine and the clusters, changes nothing, may run beside a live driver.
Exit code 0: all is well, 2: warnings only, 1: something fails.

berth adopt POOL[/NAMESPACE]/IMAGE [--clusters, --cluster-id, --name, --fs-type, --claim NS/NAME, --access-mode]: prints a
PersistentVolume for an image that is there already, and what differs; changes nothing.

berth trace NAMESPACE/CLAIM | PERSISTENTVOLUME | HANDLE [the same options]: from the claim to who has the image open, and why it is stuck.
berth attachments [the same options]: VolumeAttachments that are stuck. Exit code 0: none, 2: some.
berth attachments --release NAME [--volume HANDLE] [--finalizer F] [--yes]: the proof that its node cannot write any more; with --yes
the finalizer is lifted.
`;

/** What stands where neither option nor variable says otherwise. */
const DEFAULTS = {
  endpoint: 'unix:///csi/csi.sock',
  clusters: '/etc/berth/clusters.yaml',
  'state-dir': '/var/lib/berth',
  'node-id': '',
  services: SERVICES.join(','),
  'kubelet-dir': '/var/lib/kubelet',
  'reconcile-interval': '300',
  'leftover-age': '600',
  fencing: 'out-of-service',
  'node-lost-after': '300',
  'flexvolume-endpoint': '',
  'metrics-address': '',
  'keyring-dir': '/etc/berth/keyrings',
  'kata-records': '/run/kata-containers/shared/direct-volumes',
  'kata-handlers': 'kata,kata-*',
  kubernetes: 'auto',
} as const;
const VARIABLES = {
  endpoint: 'CSI_ENDPOINT',
  clusters: 'BERTH_CLUSTERS',
  'state-dir': 'BERTH_STATE_DIR',
  'node-id': 'NODE_ID',
  services: 'BERTH_SERVICES',
  'kubelet-dir': 'BERTH_KUBELET_DIR',
  'reconcile-interval': 'BERTH_RECONCILE_INTERVAL',
  'leftover-age': 'BERTH_LEFTOVER_AGE',
  fencing: 'BERTH_FENCING',
  'node-lost-after': 'BERTH_NODE_LOST_AFTER',
  'flexvolume-endpoint': 'BERTH_FLEXVOLUME_ENDPOINT',
  'metrics-address': 'BERTH_METRICS_ADDRESS',
  'keyring-dir': 'BERTH_KEYRING_DIR',
  'kata-records': 'BERTH_KATA_RECORDS',
  'kata-handlers': 'BERTH_KATA_HANDLERS',
  kubernetes: 'BERTH_KUBERNETES',
} as const;

/** BERTH_CONFIG_INVALID names the option. */
export function parseOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options | 'help' | 'version' {
  const values = read(args);
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const get = (name: keyof typeof DEFAULTS): string => values[name] ?? env[VARIABLES[name]] ?? DEFAULTS[name];
  const services = get('services')
    .split(',')
    .map((name) => known('services', name, SERVICES));
  return {
    endpoint: get('endpoint'),
    clusters: get('clusters'),
    nodeId: services.includes('node') ? checkNodeId(get('node-id')) : get('node-id'),
    stateDirectory: absolute('state-dir', get('state-dir')),
    services: [...new Set<ServiceName>(['identity', ...services])],
    mounter: known('mounter', values.mounter ?? 'auto', MOUNTERS),
    maxVolumes:
      values['max-volumes-per-node'] === undefined
        ? undefined
        : count('max-volumes-per-node', values['max-volumes-per-node']),
    logLevel: known('log-level', values['log-level'] ?? 'info', LEVELS),
    kubeletDirectory: absolute('kubelet-dir', get('kubelet-dir')),
    reconcileInterval: count('reconcile-interval', get('reconcile-interval'), 0),
    leftoverAge: count('leftover-age', get('leftover-age')),
    fencing: known('fencing', get('fencing'), FENCING_POLICIES),
    nodeLostAfter: count('node-lost-after', get('node-lost-after')),
    flexvolumeEndpoint: get('flexvolume-endpoint') || undefined,
    metricsAddress: get('metrics-address') || undefined,
    keyringDirectory: absolute('keyring-dir', get('keyring-dir')),
    kataRecords: absolute('kata-records', get('kata-records')),
    kataHandlers: get('kata-handlers')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    kubernetes: kubernetes(get('kubernetes')),
  };
}

const kubernetes = (text: string): string => (text === 'auto' || text === 'off' ? text : absolute('kubernetes', text));

function checkNodeId(nodeId: string): string {
  if (nodeId === '') throw optionError('node-id', 'the node service needs it');
  if (Buffer.byteLength(nodeId) > MAX_NODE_ID) throw optionError('node-id', `more than ${MAX_NODE_ID} bytes`);
  return nodeId;
}

function read(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = {
      ...{ endpoint: text, clusters: text, 'node-id': text, 'state-dir': text, services: text, mounter: text },
      ...{ 'max-volumes-per-node': text, 'log-level': text, help: flag, version: flag },
      ...{ 'kubelet-dir': text, 'reconcile-interval': text, 'leftover-age': text },
      ...{ fencing: text, 'node-lost-after': text },
      ...{ 'flexvolume-endpoint': text, 'keyring-dir': text, 'metrics-address': text },
      ...{ 'kata-records': text, 'kata-handlers': text, kubernetes: text },
    };
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw optionError('command line', error instanceof Error ? error.message : 'cannot be read');
  }
}

const optionError = (option: string, why: string): Error =>
  berthError('BERTH_CONFIG_INVALID', { file: `--${option}`, why });

function known<T extends string>(option: string, text: string, all: readonly T[]): T {
  const found = all.find((one) => one === text.trim());
  if (found === undefined) throw optionError(option, `"${text}" is none of ${all.join(', ')}`);
  return found;
}

function absolute(option: string, path: string): string {
  if (!path.startsWith('/')) throw optionError(option, `${path} is not absolute`);
  return path;
}

function count(option: string, text: string, least = 1): number {
  const number = Number(text);
  const wanted = least === 1 ? 'above zero' : `from ${least}`;
  if (text.trim() === '' || !Number.isInteger(number) || number < least)
    throw optionError(option, `"${text}" is no whole number ${wanted}`);
  return number;
}
