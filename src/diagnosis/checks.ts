/**
 * The checks of `berth doctor`, which the driver makes at its start as well: one line each. A new check is a file and a
 * line here; docs/operations.md shows the names.
 */
import type { FencingPolicy } from '../attachment/decide-detach.js';
import type { Installation } from '../attachment/node-identity.js';
import type { Exec } from '../host/process/exec.js';
import { Deadline } from '../model/deadline.js';
import type { Finding } from '../model/finding.js';
import type { Clusters, Role } from '../rbd/clusters.js';
import type { ClusterDemands } from '../rbd/mapping/krbd/cluster-demands.js';
import type { Mapper } from '../rbd/mapping/mapper.js';
import type { MounterChoice } from '../model/mapper-name.js';
import type { RbdPort } from '../rbd/port.js';
import { checkAccess } from './ceph/cluster-access.js';
import { checkClustersFile } from './ceph/configured-clusters.js';
import { checkHealth } from './ceph/cluster-health.js';
import { checkFencingRights } from './ceph/fencing-rights.js';
import { checkInstallation } from './ceph/installation-nodes.js';
import { checkKernelClient } from './ceph/kernel-client.js';
import { checkMappers } from './ceph/mappers.js';
import { checkVolumeUsers, type VolumeUsersParts } from './ceph/volume-users.js';
import { checkMonitors } from './ceph/monitors.js';
import { checkKata } from './install/kata-configuration.js';
import { checkKubeletRoot } from './install/kubelet-root.js';
import { checkKubernetesForInstall, type InstallApi } from './install/kubernetes.js';
import { checkPools } from './install/pools.js';
import { checkKubernetes, type KubernetesSeen, type Service } from './kubernetes-api.js';
import { checkGuestMemory, type GuestsAsked } from './guest/guest-memory.js';
import { checkFlexDriver } from './kubelet/flex-driver.js';
import { checkPodDirectories } from './kubelet/pod-directories.js';
import { checkClock } from './machine/clock.js';
import { checkConfinement } from './machine/confinement.js';
import { checkDev, checkSys } from './machine/mounts.js';
import { checkNetwork, checkProcesses } from './machine/namespaces.js';
import { checkPrivileges } from './machine/privileges.js';
import { checkPrograms } from './machine/programs.js';
import { checkPropagation } from './machine/propagation.js';
import { checkStateDirectory } from './machine/state-directory.js';
import { checkUdev } from './machine/udev.js';

/** What is examined, and with what. */
export interface Examined {
  readonly exec: Exec;
  readonly rbd: Pick<RbdPort, 'identify' | 'health' | 'blocklistRightsMissing'> & VolumeUsersParts['rbd'];
  readonly demands: Pick<ClusterDemands, 'of'>;
  readonly clusters: Pick<Clusters, 'all' | 'access' | 'registry'>;
  readonly installation: Pick<Installation, 'known'>;
  readonly kubernetes: KubernetesSeen;
  /** What this process serves: a controller needs no more than clusters. */
  readonly roles: readonly Role[];
  readonly stateDirectory: string;
  /** Undefined where this machine has no kubelet. */
  readonly kubeletDirectory: string | undefined;
  /** The driver's name, as CSI has it. */
  readonly driver: string;
  readonly mounter: MounterChoice;
  /** Those that this program was built with beside krbd and rbd-nbd. */
  readonly moreMappers: readonly Pick<Mapper, 'name' | 'whyNot'>[];
  /** The controller's policy: with `never` it needs no right to fence. */
  readonly fencing: FencingPolicy;
  /** Does this controller make users of volumes? */
  readonly volumeUsers: boolean;
  readonly nodeId: string;
  /** Ask programs for their versions: a child process each. */
  readonly versions: boolean;
  readonly procRoot: string;
  readonly sysRoot: string;
  /** FlexVolume is served. */
  readonly flexVolume: boolean;
  /** UIDs of the pods that Kubernetes has on this node; undefined where nobody asked it. */
  readonly pods: ReadonlySet<string> | undefined;
  /** Where pods and their RuntimeClasses are known; undefined where nobody is to be asked for all of them. */
  readonly guests: GuestsAsked | undefined;
  /** What is to be installed into; undefined for a driver that is there. */
  readonly install: Installing | undefined;
}

export interface Installing {
  readonly kubernetes: InstallApi | undefined;
  /** The node's root directory, as this process sees it. */
  readonly hostRoot: string;
}

export interface DoctorCheck {
  /** Of the finding where the check itself breaks; stable, for alerts. */
  readonly name: string;
  readonly when: (examined: Examined) => boolean;
  /** No volume works here while it fails: Probe says so. Such a check is quick. */
  readonly stopsEveryVolume?: true;
  readonly find: (examined: Examined) => Promise<Finding | readonly Finding[]>;
}

const always = (): boolean => true;
const onNode = ({ roles }: Examined): boolean => roles.includes('node');
const isService = (role: Role): role is Service => role === 'controller' || role === 'node';
/** What only the plugin's own container has. */
const inPlugin = (examined: Examined): boolean => onNode(examined) && examined.install === undefined;
const withKubelet = (examined: Examined): boolean => inPlugin(examined) && examined.kubeletDirectory !== undefined;
const installed = ({ install }: Examined): boolean => install === undefined;
const beforeInstall = ({ install }: Examined): boolean => install !== undefined;
const beforeInstallOnNode = (examined: Examined): boolean => onNode(examined) && beforeInstall(examined);
const mayFence = ({ roles, fencing }: Examined): boolean => roles.includes('controller') && fencing !== 'never';

/** What a check may take, in ms. */
const EACH_MS = 5_000;
const soon = (): Deadline => Deadline.after(EACH_MS);

/** In the order in which they are shown. */
export const CHECKS: readonly DoctorCheck[] = [
  { name: 'privileges', when: onNode, stopsEveryVolume: true, find: ({ procRoot }) => checkPrivileges(procRoot) },
  {
    name: 'state-directory',
    when: inPlugin,
    stopsEveryVolume: true,
    find: ({ stateDirectory }) => checkStateDirectory(stateDirectory, soon()),
  },
  {
    name: 'mount-propagation',
    when: inPlugin,
    stopsEveryVolume: true,
    find: ({ procRoot, kubeletDirectory: kubelet, driver }) => checkPropagation({ procRoot, kubelet, driver }),
  },
  {
    name: 'pod-directories',
    when: withKubelet,
    find: ({ procRoot, kubeletDirectory: kubelet = '', driver, pods }) =>
      checkPodDirectories({ procRoot, kubelet, driver, pods }),
  },
  {
    name: 'flexvolume',
    when: (examined) => withKubelet(examined) && examined.flexVolume,
    find: ({ procRoot, kubeletDirectory: kubelet = '' }) => checkFlexDriver({ procRoot, kubelet }),
  },
  { name: 'dev', when: onNode, find: ({ procRoot }) => checkDev(procRoot) },
  { name: 'sysfs', when: onNode, find: ({ procRoot }) => checkSys(procRoot) },
  { name: 'network-namespace', when: onNode, find: ({ procRoot }) => checkNetwork(procRoot) },
  { name: 'udev', when: onNode, find: ({ procRoot }) => checkUdev(procRoot) },
  {
    name: 'programs',
    when: onNode,
    stopsEveryVolume: true,
    find: ({ exec, versions }) => checkPrograms(versions ? exec : undefined),
  },
  { name: 'tools', when: onNode, find: () => checkConfinement() },
  { name: 'processes', when: onNode, find: ({ procRoot }) => checkProcesses(procRoot) },
  { name: 'clock', when: always, find: ({ exec }) => checkClock(exec, soon()) },
  {
    name: 'kubernetes',
    when: always,
    find: ({ kubernetes, roles }) => checkKubernetes(kubernetes, roles.filter(isService), soon()),
  },
  { name: 'mapper', when: onNode, find: (examined) => checkMappers(examined) },
  { name: 'clusters-file', when: always, find: ({ clusters }) => checkClustersFile(clusters) },
  { name: 'monitor', when: always, find: ({ clusters }) => checkMonitors(clusters, soon()) },
  { name: 'cluster', when: always, find: (examined) => checkAccess(examined, soon()) },
  { name: 'health', when: always, find: (examined) => checkHealth(examined, soon()) },
  { name: 'kernel-client', when: onNode, find: (examined) => checkKernelClient(examined, soon()) },
  {
    name: 'kubelet-root',
    when: beforeInstallOnNode,
    find: ({ install, kubeletDirectory }) => checkKubeletRoot(install?.hostRoot ?? '/', kubeletDirectory),
  },
  { name: 'kata', when: beforeInstallOnNode, find: ({ install }) => checkKata(install?.hostRoot ?? '/') },
  { name: 'pool', when: beforeInstall, find: (examined) => checkPools(examined, soon()) },
  {
    name: 'kubernetes-version',
    when: beforeInstall,
    find: ({ install, driver }) => checkKubernetesForInstall(install?.kubernetes, driver, soon()),
  },
  {
    name: 'guest-memory',
    when: ({ guests }) => guests !== undefined,
    find: async ({ guests }) => (guests === undefined ? [] : checkGuestMemory(guests, soon())),
  },
  { name: 'installation', when: installed, find: (examined) => checkInstallation(examined, soon()) },
  { name: 'fencing', when: mayFence, find: (examined) => checkFencingRights(examined, soon()) },
  { name: 'volume-users', when: installed, find: (examined) => checkVolumeUsers(examined, soon()) },
];
