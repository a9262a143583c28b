/** What the checks of this machine and its clusters examine, from the options. */
import { DRIVER_NAME } from '../csi/identity-service.js';
import type { KubernetesSeen } from '../diagnosis/kubernetes-api.js';
import { run } from '../host/process/exec.js';
import type { Examined } from '../diagnosis/checks.js';
import type { Options } from '../options/options.js';
import type { Additions } from './additions.js';
import type { Dependencies } from './dependencies.js';

type Examinable = Pick<Dependencies, 'options' | 'rbd' | 'clusters' | 'demands' | 'installation' | 'log' | 'kube'>;

/** The root of the node's first process: a container that is in the host's pid namespace sees the host by it. */
const HOST_ROOT = '/proc/1/root';

/** @param kubeFault why what `--kubernetes` names cannot be used, where that has not ended the process */
export function examinedBy(
  { options, rbd, clusters, demands, installation, log, kube }: Examinable,
  additions: Additions,
  {
    versions,
    kubeFault,
    install = false,
    pods,
  }: {
    readonly versions: boolean;
    readonly kubeFault?: Error | undefined;
    readonly install?: boolean;
    readonly pods?: ReadonlySet<string> | undefined;
  },
): Examined {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing, volumeUsers, nodeId } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: a mapper changes nothing before it maps.
  const moreMappers = additions.mappers(options, log);
  return {
    exec: run,
    rbd,
    clusters,
    demands,
    installation,
    kubernetes: kubernetesSeen(options.kubernetes, kube, kubeFault),
    roles,
    stateDirectory,
    kubeletDirectory,
    driver: DRIVER_NAME,
    mounter,
    moreMappers,
    fencing,
    volumeUsers,
    nodeId,
    versions,
    procRoot: '/proc',
    sysRoot: '/sys',
    flexVolume: options.flexvolumeEndpoint !== undefined,
    pods,
    guests: guestsOf(options, kube, versions && !install),
    install: install ? { kubernetes: kube?.api, hostRoot: HOST_ROOT } : undefined,
  };
}

/** All pods are listed for a person who asks, not at each start; a node may not list them. */
function guestsOf(
  { services, kataHandlers }: Options,
  kube: Dependencies['kube'],
  isAsked: boolean,
): Examined['guests'] {
  if (kube === undefined || !isAsked || !services.includes('controller')) return undefined;
  return { objects: kube.objects, kataHandlers, driver: DRIVER_NAME };
}

function kubernetesSeen(choice: string, kube: Dependencies['kube'], fault: Error | undefined): KubernetesSeen {
  const isPod = process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  return {
    server: kube?.api.server,
    choice,
    fault,
    isPodWithoutAccount: choice === 'auto' && kube === undefined && isPod,
    rightsMissing: async (services, deadline) => kube?.rightsMissing(services, deadline) ?? [],
  };
}
