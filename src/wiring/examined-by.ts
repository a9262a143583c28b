/** What the checks of this machine and its clusters examine, from the options. */
import { DRIVER_NAME } from '../csi/identity-service.js';
import { run } from '../host/process/exec.js';
import type { Examined } from '../diagnosis/checks.js';
import type { Additions } from './additions.js';
import type { Dependencies } from './dependencies.js';

type Examinable = Pick<Dependencies, 'options' | 'rbd' | 'clusters' | 'demands' | 'installation' | 'log'>;

export function examinedBy(
  { options, rbd, clusters, demands, installation, log }: Examinable,
  additions: Additions,
  { versions }: { readonly versions: boolean },
): Examined {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: a mapper changes nothing before it maps.
  const moreMappers = additions.mappers(options, log);
  return {
    exec: run,
    rbd,
    clusters,
    demands,
    installation,
    roles,
    stateDirectory,
    kubeletDirectory,
    driver: DRIVER_NAME,
    mounter,
    moreMappers,
    fencing,
    versions,
    procRoot: '/proc',
    sysRoot: '/sys',
  };
}
