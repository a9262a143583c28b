/** A volume's mapping as the kernel has it now: by its journal entry, or where the journal knows nothing of it. */
import { berthError } from '../../model/errors.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Deadline } from '../../model/deadline.js';
import { parseVolumeId } from '../../model/volume-id.js';
import type { ImageLocation, Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import { sameLocation } from '../../rbd/mapping/location-name.js';
import type { NodeRoom } from './node-room.js';

/** Where the entry's image is, for the kernel; undefined for a handle that is none of ours. */
export function locationOf(volume: string, fsid: string): ImageLocation | undefined {
  const id = parseVolumeId(volume);
  return id === undefined ? undefined : { fsid, pool: id.pool, namespace: id.namespace, image: id.image };
}

/** The entry's mapping as the kernel has it now; what the journal says of it is only what was meant. */
export async function mappingOf(room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<Mapping | undefined> {
  const location = locationOf(entry.volume, entry.fsid);
  return location === undefined ? undefined : room.mapperNamed(entry.mapper).find(location, deadline);
}

/**
 * A volume's mapping when the journal knows nothing of it (lost state directory): looked for in every mapper's kernel
 * state, also of one that cannot map just now. BERTH_VOLUME_IN_USE where it may be one of several, for "none" would be
 * taken for "not mapped".
 */
export async function findUnrecorded(room: NodeRoom, volume: string, deadline: Deadline): Promise<Mapping | undefined> {
  const wanted = locationOf(volume, '');
  if (wanted === undefined) return undefined;
  // The same place in another cluster may be staged here: its mapping is that volume's, not this one's.
  const { entries } = await room.journal.all().catch(() => ({ entries: [] }));
  const known = entries.flatMap((entry) => locationOf(entry.volume, entry.fsid) ?? []);
  for (const mapper of room.mappers) {
    const found = (await listed(mapper, deadline)).filter(
      ({ location }) =>
        sameLocation({ ...location, fsid: '' }, wanted) && !known.some((one) => sameLocation(one, location)),
    );
    // The same place in two clusters cannot be told apart without the journal's fsid: leave both alone.
    if (found.length > 1) {
      const devices = found.map(({ device }) => device).join(', ');
      throw berthError('BERTH_VOLUME_IN_USE', {
        volume,
        who: `this node, as one of ${devices}, and no journal says which`,
      });
    }
    if (found[0] !== undefined) return found[0];
  }
  return undefined;
}

/**
 * Of one whose programs are missing, and that cannot tell without them, nothing: what is gone must still be a success
 * there.
 */
async function listed(mapper: Mapper, deadline: Deadline): Promise<readonly Mapping[]> {
  try {
    return await mapper.list(deadline);
  } catch (error) {
    if ((await mapper.whyNot()) === undefined) throw error;
    return [];
  }
}
