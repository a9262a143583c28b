/** Which mappers could work here, by looking only: where a module is not loaded, whether it could be. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import { missingProgram } from '../../host/process/find-program.js';
import { versionOf } from '../machine/programs.js';
import { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import { featureNames } from '../../rbd/feature-bits.js';
import { rbdBus, supportedFeatures } from '../../rbd/mapping/krbd/krbd-sysfs.js';
import { NOT_BUILT_IN } from '../../rbd/mapping/choose-mapper.js';
import type { Mapper } from '../../rbd/mapping/mapper.js';
import type { MapperName, MounterChoice } from '../../model/mapper-name.js';

export interface MapperParts {
  readonly exec: Exec;
  readonly sysRoot: string;
  /** `--mounter` */
  readonly mounter: MounterChoice;
  /** Those that this program was built with beside krbd and rbd-nbd: each says itself whether it could work. */
  readonly moreMappers: readonly Pick<Mapper, 'name' | 'whyNot'>[];
  readonly versions: boolean;
}

/** `why` is set where it cannot work; `says` is what else there is to know. */
interface Ability {
  readonly why?: string;
  readonly says: string;
}

const MODPROBE_MS = 5_000;

/** A finding for each of the two, and one for the choice that `--mounter` makes of them. */
export async function checkMappers(parts: MapperParts): Promise<readonly Finding[]> {
  const [krbd, nbd] = await Promise.all([abilityOfKrbd(parts), abilityOfNbd(parts)]);
  const abilities = new Map<MapperName, Ability>([
    ['krbd', krbd],
    ['nbd', nbd],
  ]);
  for (const mapper of parts.moreMappers) {
    abilities.set(mapper.name, { says: 'for development only', ...reason(await mapper.whyNot()) });
  }
  const chosen = chosenOf(parts.mounter, abilities);
  // A mapper that is missing matters only where nothing as good takes its place.
  const level = chosen.level === 'ok' ? 'ok' : 'warning';
  const line = (name: 'krbd' | 'nbd', { why, says }: Ability): Finding =>
    why === undefined ? { name, level: 'ok', says } : { name, level, says: `cannot work here: ${why}` };
  return [line('krbd', krbd), line('nbd', nbd), chosen];
}

/** @param abilities best first */
function chosenOf(choice: MounterChoice, abilities: ReadonlyMap<MapperName, Ability>): Finding {
  const name = 'mapper';
  const order = choice === 'auto' ? [...abilities.keys()] : [choice];
  const whyNot = (one: MapperName): string | undefined => (abilities.get(one) ?? { why: NOT_BUILT_IN }).why;
  const first = order.find((one) => whyNot(one) === undefined);
  if (first === undefined) {
    const says = `--mounter ${choice}: ${order.map((one) => `${one}: ${whyNot(one) ?? ''}`).join('; ')}`;
    return {
      name,
      level: 'failed',
      says: `no volume can be mapped here; load the rbd module or install rbd-nbd (${says})`,
    };
  }
  if (first !== 'krbd' && first !== 'nbd') {
    const says = `volumes are mapped by ${first}, for development only; load the rbd module or install rbd-nbd`;
    return { name, level: 'warning', says };
  }
  return { name, level: 'ok', says: `--mounter ${choice} takes ${first}` };
}

async function abilityOfKrbd({ exec, sysRoot, versions }: MapperParts): Promise<Ability> {
  const bus = rbdBus(sysRoot);
  const module = await moduleState(exec, 'rbd', bus);
  const missing = missingProgram('rbd') ?? module.why;
  if (missing !== undefined) return { why: missing, says: '' };
  if (module.says === 'loaded' && !(await isWritable(bus))) {
    return { why: `${bus}/add cannot be written: is /sys mounted read-only?`, says: '' };
  }
  const features = supportedFeatures(sysRoot);
  const can = features === undefined ? 'features not told' : `can do ${featureNames(features).join(', ')}`;
  const version = versions ? `; ${await versionOf(exec, 'rbd', '--version')}` : '';
  return {
    says: `module ${module.says}; ${module.says === 'loaded' ? can : 'its features are known when it is'}${version}`,
  };
}

async function abilityOfNbd({ exec, sysRoot, versions }: MapperParts): Promise<Ability> {
  const module = await moduleState(exec, 'nbd', path.join(sysRoot, 'module/nbd'));
  const missing = missingProgram('rbd-nbd', 'rbd') ?? module.why;
  if (missing !== undefined) return { why: missing, says: '' };
  return { says: `module ${module.says}${versions ? `; ${await versionOf(exec, 'rbd-nbd', '--version')}` : ''}` };
}

/** Loaded, or what modprobe would do; it is not done here. */
async function moduleState(exec: Exec, module: string, mark: string): Promise<Ability> {
  if (await can(mark, constants.F_OK)) return { says: 'loaded' };
  try {
    await exec('modprobe', ['--dry-run', '--quiet', module], { deadline: Deadline.after(MODPROBE_MS) });
    return { says: 'not loaded, loaded when it is needed' };
  } catch (error) {
    if (!isBerthError(error)) throw error;
    const why =
      error.code === 'BERTH_COMMAND_MISSING'
        ? 'modprobe is not installed'
        : 'modprobe does not find it below /lib/modules';
    return { why: `the kernel has no ${module} and ${why}`, says: '' };
  }
}

/** The kernel has one of these or both, by how the module numbers its devices. */
const isWritable = async (bus: string): Promise<boolean> =>
  (await can(path.join(bus, 'add_single_major'), constants.W_OK)) || can(path.join(bus, 'add'), constants.W_OK);

const can = (file: string, mode: number): Promise<boolean> =>
  access(file, mode).then(
    () => true,
    () => false,
  );

const reason = (why: string | undefined): { why?: string } => (why === undefined ? {} : { why });
