/** Which mapper a volume gets on this node: the one its StorageClass names, or the best that works here. */
import { berthError } from '../../model/errors.js';
import { MAPPER_NAMES, type MapperName, type MounterChoice } from '../../model/mapper-name.js';
import type { Mapper } from './mapper.js';

/** Why a mapper that this program was built without cannot be had. */
export const NOT_BUILT_IN = 'this driver has no such mapper: it is part of a development driver only';

/**
 * The mapper for `choice`; `auto` takes the first of {@link MAPPER_NAMES} that works. BERTH_MAPPER_UNAVAILABLE with the
 * reason, for `auto` with that of each.
 * @param mappers what this program was built with
 */
export async function chooseMapper(choice: MounterChoice, mappers: readonly Mapper[]): Promise<Mapper> {
  if (choice !== 'auto') {
    const mapper = mapperNamed(choice, mappers);
    const why = await mapper.whyNot();
    if (why !== undefined) throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: choice, why });
    return mapper;
  }
  const reasons: string[] = [];
  for (const mapper of MAPPER_NAMES.flatMap((name) => mappers.filter((one) => one.name === name))) {
    const why = await mapper.whyNot();
    if (why === undefined) return mapper;
    reasons.push(`${mapper.name}: ${why}`);
  }
  throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: choice, why: reasons.join('; ') });
}

/** The mapper that a StorageClass or a journal entry names; BERTH_MAPPER_UNAVAILABLE where it was not built in. */
export function mapperNamed(name: MapperName, mappers: readonly Mapper[]): Mapper {
  const found = mappers.find((one) => one.name === name);
  if (found === undefined) throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: name, why: NOT_BUILT_IN });
  return found;
}
