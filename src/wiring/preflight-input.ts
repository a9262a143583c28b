/** What a look at this machine and its clusters is made of, from the options. */
import { run } from '../host/process/exec.js';
import { type PreflightInput } from '../diagnosis/preflight.js';
import type { Additions } from './additions.js';
import type { Dependencies } from './dependencies.js';

export function preflightInput(
  { options, rbd, clusters, log }: Pick<Dependencies, 'options' | 'rbd' | 'clusters' | 'log'>,
  additions: Additions,
  { versions }: { readonly versions: boolean },
): PreflightInput {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: a mapper changes nothing before it maps.
  const moreMappers = additions.mappers(options, log);
  return { exec: run, rbd, clusters, roles, stateDirectory, kubeletDirectory, mounter, moreMappers, fencing, versions };
}
