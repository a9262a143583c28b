/** Which mapper a volume gets on this node: the one its StorageClass names, or the best that works here. */
import { berthError } from '../../model/errors.js';
import type { Logger } from '../../observe/log.js';
import type { Mapper, MapperName, MounterChoice } from './mapper.js';

/** Best first: the kernel client is the fastest and needs no process; the loop mapper is for development only. */
const ORDER: readonly MapperName[] = ['krbd', 'nbd', 'loop'];

const warned = new WeakSet<Mapper>();

/**
 * The mapper for `choice`; `auto` takes the first that works. BERTH_MAPPER_UNAVAILABLE with the reason, for `auto` with
 * that of each. The first time that a mapper for development only is chosen, the log says so.
 */
export async function chooseMapper(
  choice: MounterChoice,
  mappers: readonly Mapper[],
  log?: Pick<Logger, 'warn'>,
): Promise<Mapper> {
  const reasons: string[] = [];
  for (const name of choice === 'auto' ? ORDER : [choice]) {
    const mapper = mappers.find((one) => one.name === name);
    const why = mapper === undefined ? 'it is switched off' : await mapper.whyNot();
    if (mapper !== undefined && why === undefined) {
      warnOnce(mapper, log);
      return mapper;
    }
    reasons.push(choice === 'auto' ? `${name}: ${why ?? ''}` : (why ?? ''));
  }
  throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: choice, why: reasons.join('; ') });
}

function warnOnce(mapper: Mapper, log: Pick<Logger, 'warn'> | undefined): void {
  if (!mapper.developmentOnly || warned.has(mapper) || log === undefined) return;
  warned.add(mapper);
  log.warn(
    { mapper: mapper.name },
    'volumes are mapped for development only: slow, and one process serves all of them',
  );
}
