/**
 * This node's mappers, and what they have mapped now: by the choice of a volume, by name, by journal entry, or from the
 * kernel alone where the journal knows nothing. No method here needs a cluster.
 */
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import { mapperNamed } from '../../rbd/mapping/choose-mapper.js';
import { sameLocation } from '../../rbd/mapping/location-name.js';
import type { ImageLocation, Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import type { MapperName, MounterChoice } from '../../model/mapper-name.js';

/** Where the entry's image is, for the kernel; undefined for a handle that is none of ours. */
export function locationOf(volume: string, fsid: string): ImageLocation | undefined {
  const id = parseVolumeId(volume);
  return id === undefined ? undefined : { fsid, pool: id.pool, namespace: id.namespace, image: id.image };
}

export interface MappersParts {
  readonly all: readonly Mapper[];
  /** `auto` takes the best that works here; BERTH_MAPPER_UNAVAILABLE. */
  readonly choose: (choice: MounterChoice) => Promise<Mapper>;
  /** Only to tell apart volumes of one name in several clusters. */
  readonly journal: Pick<Journal, 'all'>;
}

export class Mappers {
  /** Every mapper that this program was built with, also those that do not work on this machine. */
  readonly all: readonly Mapper[];
  readonly #choose: MappersParts['choose'];
  readonly #journal: MappersParts['journal'];

  constructor({ all, choose, journal }: MappersParts) {
    this.all = all;
    this.#choose = choose;
    this.#journal = journal;
  }

  /** The mapper for a volume's own choice (StorageClass `mounter`); BERTH_MAPPER_UNAVAILABLE. */
  forChoice(choice: MounterChoice): Promise<Mapper> {
    return this.#choose(choice);
  }

  /** The mapper that a StorageClass or a journal entry names; BERTH_MAPPER_UNAVAILABLE where it was not built in. */
  named(name: MapperName): Mapper {
    return mapperNamed(name, this.all);
  }

  /** The entry's mapping as the kernel has it now; what the journal says of it is only what was meant. */
  async mappingOf(
    { volume, fsid, mapper }: Pick<JournalEntry, 'volume' | 'fsid' | 'mapper'>,
    deadline: Deadline,
  ): Promise<Mapping | undefined> {
    const location = locationOf(volume, fsid);
    return location === undefined ? undefined : this.named(mapper).find(location, deadline);
  }

  /**
   * A volume's mapping when the journal knows nothing of it (the state directory was lost): looked for in every
   * mapper's kernel state, also of one that cannot map just now. BERTH_VOLUME_IN_USE where it may be one of several,
   * for "none" would be taken for "not mapped".
   */
  async findUnrecorded(volume: string, deadline: Deadline): Promise<Mapping | undefined> {
    const wanted = locationOf(volume, '');
    if (wanted === undefined) return undefined;
    // The same place in another cluster may be staged here: its mapping is that volume's, not this one's.
    const { entries } = await this.#journal.all().catch(() => ({ entries: [] }));
    const known = entries.flatMap((entry) => locationOf(entry.volume, entry.fsid) ?? []);
    for (const mapper of this.all) {
      const found = (await listed(mapper, deadline)).filter(
        ({ location }) =>
          sameLocation({ ...location, fsid: '' }, wanted) && !known.some((one) => sameLocation(one, location)),
      );
      // The same place in two clusters cannot be told apart without the journal's fsid: leave both alone.
      if (found.length > 1) {
        const devices = found.map(({ device }) => device).join(', ');
        const who = `this node, as one of ${devices}, and no journal says which`;
        throw berthError('BERTH_VOLUME_IN_USE', { volume, who });
      }
      if (found[0] !== undefined) return found[0];
    }
    return undefined;
  }
}

/**
 * What a mapper has mapped. A mapper whose programs are missing, and that cannot tell without them, has nothing: what
 * is gone must still be a success there.
 */
async function listed(mapper: Mapper, deadline: Deadline): Promise<readonly Mapping[]> {
  try {
    return await mapper.list(deadline);
  } catch (error) {
    if ((await mapper.whyNot()) === undefined) throw error;
    return [];
  }
}
