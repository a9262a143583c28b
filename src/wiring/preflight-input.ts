/** What a look at this machine and its clusters is made of, from the options. */
import { run } from '../host/process/exec.js';
import { LoopMapper } from '../rbd/mapping/loop/loop-mapper.js';
import { type PreflightInput } from '../diagnosis/preflight.js';
import type { Dependencies } from './dependencies.js';

export function preflightInput(
  { options, rbd, clusters }: Pick<Dependencies, 'options' | 'rbd' | 'clusters'>,
  versions: boolean,
): PreflightInput {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: it changes nothing before it maps.
  const loop = new LoopMapper({ exec: run, stateDir: stateDirectory });
  const whyNotLoop = () => loop.whyNot();
  return { exec: run, rbd, clusters, roles, stateDirectory, kubeletDirectory, mounter, fencing, whyNotLoop, versions };
}
