/** What a look at this machine and its clusters is made of, from the options. */
import { run } from '../host/exec.js';
import { LoopMapper } from '../rbd/mapping/loop.js';
import { type Premises } from '../volume/preflight.js';
import type { Ground } from './ground.js';

export function premises(
  { options, rbd, clusters }: Pick<Ground, 'options' | 'rbd' | 'clusters'>,
  versions: boolean,
): Premises {
  const { services, stateDirectory, kubeletDirectory, mounter, fencing } = options;
  const roles = (['controller', 'node'] as const).filter((role) => services.includes(role));
  // Made only to be asked: it changes nothing before it maps.
  const loop = new LoopMapper({ exec: run, stateDir: stateDirectory });
  const whyNotLoop = () => loop.whyNot();
  return { exec: run, rbd, clusters, roles, stateDirectory, kubeletDirectory, mounter, fencing, whyNotLoop, versions };
}
