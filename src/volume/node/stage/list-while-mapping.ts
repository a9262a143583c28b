/**
 * Who has the image open is asked as soon as the client that maps it has it open, while its device is still being made:
 * to hear of it takes an open of our own.
 */
import type { Deadline } from '../../../model/deadline.js';
import type { Watcher } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { parseProvenance } from '../../image/provenance.js';
import type { WatchersBefore } from '../client-instances.js';

export interface ListingWhileMapping {
  /** As a map calls it. */
  readonly isOpen: () => void;
  /** As before, with the list where it was asked for already. */
  readonly watchers: () => WatchersBefore;
}

/**
 * Not for a volume that may be formatted: whether it is empty is asked when it has a device, over the very open that
 * lists its clients. BERTH_RECORD_UNREADABLE where nobody can say whether it may be.
 */
export function listWhileMapping(found: FoundVolume, before: WatchersBefore, deadline: Deadline): ListingWhileMapping {
  const { listAgain } = before;
  const mayFormat = listAgain !== undefined && parseProvenance(found.head, found.volume).state === 'never';
  let listed: Promise<readonly Watcher[]> | undefined;
  const isOpen = (): void => {
    if (mayFormat) return;
    // No kernel tells the client of a mapping that has no device yet.
    listed = listAgain?.(found, undefined, deadline);
    // Where the map itself fails, nobody waits for it.
    listed?.catch(() => undefined);
  };
  const watchers = (): WatchersBefore => {
    const known = listed;
    return known === undefined ? before : { ...before, listAgain: () => known };
  };
  return { isOpen, watchers };
}
