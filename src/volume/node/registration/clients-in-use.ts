/** By which Ceph clients a node has images open for writing, all of them or none: what it says in its registration. */
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { sameLocation } from '../../../rbd/mapping/location-name.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { locationOf, type Mappers } from '../node-mappers.js';

/**
 * Addresses of every client by which this node, or a guest on it, has images of the cluster open for writing; undefined
 * where one of them cannot be told. A fence is no longer renewed on this word, so nothing may be left out of it.
 */
export async function clientsInUse(
  { mappers, journal }: { readonly mappers: Pick<Mappers, 'all'>; readonly journal: Pick<Journal, 'all'> },
  fsid: string,
  deadline: Deadline,
): Promise<readonly string[] | undefined> {
  // By every mapper: one that cannot map just now (a program is missing, sysfs is read-only) may still have what it
  // mapped before.
  const lists = await Promise.all(
    mappers.all.map(async (mapper) => (await mapper.list(deadline)).map((mapping) => ({ mapper, mapping }))),
  );
  const mapped = lists.flat().filter(({ mapping: { location } }) => location.fsid === fsid || location.fsid === '');
  const { entries, unreadable } = await journal.all();
  // Each may be about an image that a guest has open, of which the kernel shows nothing.
  if (unreadable.length > 0) return undefined;
  const handed = entries.filter((one) => one.handedTo !== undefined && one.fsid === fsid);
  const told = await Promise.all(
    mapped.map(async ({ mapper, mapping }) => {
      if (mapper.clientOf === undefined) return recordedClients(entries, mapping);
      const client = await mapper.clientOf(mapping);
      return client === undefined ? [] : [client.address];
    }),
  );
  const all = [...told, ...handed.map(({ guestClients }) => guestClients)];
  const known = all.filter((one) => one !== undefined);
  return known.length === all.length ? [...new Set(known.flat())].sort() : undefined;
}

/** As the journal has them; undefined where it does not say by whom a writable mapping is open. */
function recordedClients(entries: readonly JournalEntry[], mapping: Mapping): readonly string[] | undefined {
  const entry = entries.find((one) => {
    const location = locationOf(one.volume, one.fsid);
    return one.state === 'staged' && location !== undefined && sameLocation(location, mapping.location);
  });
  const clients = entry?.mapping?.clients ?? [];
  return clients.length > 0 || mapping.readOnly ? clients : undefined;
}
