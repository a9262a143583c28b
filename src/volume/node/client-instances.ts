/**
 * By which Ceph clients this node has an image open: from the kernel where it tells, else by who came to watch it while
 * it was mapped.
 */
import type { ClientInstance, HolderRecord } from '../../attachment/holder-record.js';
import { HOLDER_KEY, parseHolderRecord } from '../../attachment/holder-record.js';
import type { Deadline } from '../../model/deadline.js';
import type { Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import type { RbdPort, Watcher } from '../../rbd/port.js';
import { sameLocation } from '../../rbd/mapping/location-name.js';
import type { Logger } from '../../observe/log.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import { locationOf, type Mappers } from './node-mappers.js';
import type { FoundVolume } from '../image/find-volume.js';

/** What listing the clients of an image takes. */
export interface WatcherParts {
  readonly rbd: Pick<RbdPort, 'watchers'>;
  readonly log: Pick<Logger, 'warn'>;
}

export interface ClientParts extends WatcherParts {
  readonly node: string;
  readonly mappers: Pick<Mappers, 'named'>;
}

/** Who watched before the map; undefined where that need not be known, or could not be. */
export type WatchersBefore = readonly Watcher[] | undefined;

export async function watchersBefore(
  { rbd, log }: WatcherParts,
  mapper: Mapper,
  { at, volume }: FoundVolume,
  deadline: Deadline,
): Promise<WatchersBefore> {
  if (mapper.clientOf !== undefined) return undefined;
  try {
    return await rbd.watchers(at, deadline);
  } catch (error) {
    log.warn({ volume, err: error }, 'the watchers before the map could not be listed');
    return undefined;
  }
}

/**
 * Empty where it cannot be told for certain: a fence must never be aimed at somebody else's client. A mapper of librbd
 * opens every image by a client of its own, so the one that came is the one.
 */
export async function clientsOf(
  { rbd, node, mappers, log }: ClientParts,
  mapping: Mapping,
  { found, before }: { readonly found: FoundVolume; readonly before: WatchersBefore },
  deadline: Deadline,
): Promise<readonly ClientInstance[]> {
  const mapper = mappers.named(mapping.mapper);
  if (mapper.clientOf !== undefined) {
    const client = await mapper.clientOf(mapping);
    return client === undefined ? [] : [client];
  }
  // librbd watches nothing that it opens read-only.
  if (mapping.readOnly) return [];
  try {
    const watchers = await rbd.watchers(found.at, deadline);
    const record = parseHolderRecord(found.head.metadata.get(HOLDER_KEY), found.volume);
    return choose(watchers, before ?? [], node, record);
  } catch (error) {
    log.warn({ volume: found.volume, err: error }, 'by which client the image is open could not be told');
    return [];
  }
}

/** The one that came; where none did, because it was mapped already, the one that nobody else has written down. */
function choose(
  watchers: readonly Watcher[],
  before: readonly Watcher[],
  node: string,
  record: HolderRecord | undefined,
): readonly ClientInstance[] {
  const others = record?.holders.filter((one) => one.node !== node).flatMap((one) => one.clients ?? []) ?? [];
  const free = watchers.filter(({ address }) => !others.some((one) => one.address === address));
  const came = free.filter(({ client }) => !before.some((one) => one.client === client));
  const candidates = came.length > 0 ? came : free;
  const [only, ...more] = candidates;
  if (only === undefined || more.length > 0) return [];
  return [{ address: only.address, client: `client.${only.client}` }];
}

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
