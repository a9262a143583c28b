/**
 * By which Ceph clients this node has an image open: from the kernel where it tells, else by who came to watch it while
 * it was mapped.
 */
import type { ClientInstance, HolderRecord } from '../../attachment/holder-record.js';
import { holderRecordToTake } from '../../attachment/holder-record.js';
import { isSameNode, type NodeIdentity } from '../../attachment/node-identity.js';
import type { Deadline } from '../../model/deadline.js';
import type { Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import type { RbdPort, Watcher } from '../../rbd/port.js';
import type { Logger } from '../../observe/log.js';
import { isOneOf, type KnownClient } from '../../attachment/unexplained-watchers.js';
import { refuseStrangers, type StrangerParts, type StrangerQuestion } from '../image/refuse-strangers.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { FormerClients } from '../../rbd/former-clients.js';
import type { Mappers } from './node-mappers.js';
import type { FoundVolume } from '../image/find-volume.js';

/** What listing the clients of an image takes. */
export interface WatcherParts {
  readonly rbd: Pick<RbdPort, 'watchers'>;
  readonly log: Pick<Logger, 'warn'>;
}

export interface ClientParts extends WatcherParts {
  readonly self: NodeIdentity;
  readonly mappers: Pick<Mappers, 'named'>;
}

/** An image that a mapper has open and whose device is not there yet. */
export type OpenImage = Pick<Mapping, 'mapper' | 'readOnly'>;

/** What is known of an image's watchers when it is about to be mapped. */
export interface WatchersBefore {
  /** Who watched; undefined where that need not be known, or could not be. */
  readonly watchers: readonly Watcher[] | undefined;
  /**
   * Lists them again once the image is mapped, and refuses it where a stranger came (BERTH_VOLUME_IN_USE); not there
   * where nobody is asked to be alone. `kernel` is the mapping's client, where the kernel tells it; `waited` is called
   * where a stranger was there and is given time to go.
   */
  readonly listAgain?: (
    found: FoundVolume,
    kernel: ClientInstance | undefined,
    deadline: Deadline,
    waited?: () => void,
  ) => Promise<readonly Watcher[]>;
}

/** For a mapping that goes on: who else has the image open is no question then. */
export async function watchersBefore(
  { rbd, log }: WatcherParts,
  mapper: Mapper,
  { at, volume }: FoundVolume,
  deadline: Deadline,
): Promise<WatchersBefore> {
  if (mapper.clientOf !== undefined) return { watchers: undefined };
  try {
    return { watchers: await rbd.watchers(at, deadline) };
  } catch (error) {
    log.warn({ volume, err: error }, 'the watchers before the map could not be listed');
    return { watchers: undefined };
  }
}

/** What this node has of an image before it maps it for writing. */
export interface PresentUse {
  /** Its own clients as far as they are known: recorded, in the journal, told by the kernel. */
  readonly known: readonly KnownClient[];
  /**
   * A writable mapping whose client the kernel does not tell (librbd's), and whether the map will find it and keep it.
   */
  readonly mapping: { readonly goesOn: boolean } | undefined;
}

export interface NodeStrangerParts extends StrangerParts {
  readonly self: NodeIdentity;
  readonly formerClients: Pick<FormerClients, 'shutOut'>;
}

/**
 * Refuse strangers before an image is mapped for writing, and prepare to do so again when it is mapped.
 * BERTH_VOLUME_IN_USE, errors of Ceph.
 */
export async function refuseStrangersBefore(
  parts: NodeStrangerParts,
  mapper: Pick<Mapper, 'clientOf'>,
  { found, secrets, known, mapping }: Pick<StrangerQuestion, 'found' | 'secrets'> & PresentUse,
  deadline: Deadline,
): Promise<WatchersBefore> {
  const shutOut: StrangerQuestion['shutOut'] = (strangers) =>
    parts.formerClients.shutOut(found.at.access, strangers, deadline);
  const asked = { found, node: parts.self, role: 'node', secrets, shutOut } as const;
  const isSeen = (watchers: readonly Watcher[]): boolean => watchers.some((one) => isOneOf(known, one));
  const ownBefore: StrangerQuestion['ownOf'] = (watchers) => ({
    clients: known,
    unnamed: mapping !== undefined && !isSeen(watchers) ? 1 : 0,
  });
  const expects = mapping === undefined ? 'nobody' : 'own clients';
  const watchers = await refuseStrangers(parts, { ...asked, expects, ownOf: ownBefore }, deadline);
  // A client of librbd comes with the map and has no name; none comes where the mapping that is there goes on.
  const isComplete = mapper.clientOf !== undefined || (mapping?.goesOn === true && isSeen(watchers));
  return {
    watchers,
    listAgain: (found, kernel, deadline, waited) => {
      const clients = kernel === undefined ? known : [...known, kernel];
      const ownOf = () => ({ clients, unnamed: isComplete ? 0 : 1 }) as const;
      return refuseStrangers(parts, { ...asked, found, expects: 'own clients', ownOf, waited }, deadline);
    },
  };
}

export interface PresentUseParts {
  readonly self: NodeIdentity;
  readonly mappers: Pick<Mappers, 'named' | 'mappingOf'>;
}

export interface PresentUseQuestion {
  readonly found: FoundVolume;
  readonly fsid: string;
  /** The client by which this driver itself opens images. */
  readonly instance: string;
  readonly mapper: Mapper;
  /** The journal's entry, of an earlier try or an earlier life of the plugin. */
  readonly before: JournalEntry | undefined;
  /** What that entry leads to is unmapped before the image is mapped. */
  readonly isOfNoUse: boolean;
}

/** What this node has of the image already: an earlier life of the plugin may have mapped it. */
export async function presentUse(
  { self, mappers }: PresentUseParts,
  { found, fsid, instance, mapper, before, isOfNoUse }: PresentUseQuestion,
  deadline: Deadline,
): Promise<PresentUse> {
  const by = before === undefined ? mapper : mappers.named(before.mapper);
  const mapping = await mappers.mappingOf(before ?? { volume: found.volume, fsid, mapper: mapper.name }, deadline);
  const kernel = mapping && (await by.clientOf?.(mapping));
  const known = [
    { address: instance },
    ...recordedClients(found, self),
    ...(before?.mapping?.clients ?? []).map((address) => ({ address })),
    ...(kernel === undefined ? [] : [kernel]),
  ];
  if (mapping === undefined || mapping.readOnly || by.clientOf !== undefined) return { known, mapping: undefined };
  const isServed = (await by.whyUnserved?.(mapping)) === undefined;
  return { known, mapping: { goesOn: isServed && !isOfNoUse } };
}

function recordedClients({ head, volume }: FoundVolume, self: NodeIdentity): readonly ClientInstance[] {
  const record = holderRecordToTake(head, volume);
  return record?.holders.find((one) => isSameNode(one, self))?.clients ?? [];
}

/**
 * The clients by which this node has the image open. Empty where it cannot be told for certain: a fence must never be
 * aimed at somebody else's client. A mapper of librbd opens every image by a client of its own, so the one that came is
 * the one. BERTH_VOLUME_IN_USE where this node has to be alone and is not.
 */
export async function clientsOf(
  { rbd, self, mappers, log }: ClientParts,
  mapping: Mapping | OpenImage,
  { found, before }: { readonly found: FoundVolume; readonly before: WatchersBefore },
  deadline: Deadline,
): Promise<readonly ClientInstance[]> {
  const mapper = mappers.named(mapping.mapper);
  const kernel = 'device' in mapping ? await mapper.clientOf?.(mapping) : undefined;
  // Neither the kernel nor librbd watches what it opens read-only.
  const again = mapping.readOnly ? undefined : await before.listAgain?.(found, kernel, deadline);
  if (mapper.clientOf !== undefined) return kernel === undefined ? [] : [kernel];
  if (mapping.readOnly) return [];
  try {
    const watchers = again ?? (await rbd.watchers(found.at, deadline));
    const record = holderRecordToTake(found.head, found.volume);
    return choose(watchers, before.watchers ?? [], self, record);
  } catch (error) {
    log.warn({ volume: found.volume, err: error }, 'by which client the image is open could not be told');
    return [];
  }
}

/** The one that came; where none did, because it was mapped already, the one that nobody else has written down. */
function choose(
  watchers: readonly Watcher[],
  before: readonly Watcher[],
  self: NodeIdentity,
  record: HolderRecord | undefined,
): readonly ClientInstance[] {
  const others = record?.holders.filter((one) => !isSameNode(one, self)).flatMap((one) => one.clients ?? []) ?? [];
  const free = watchers.filter(({ address }) => !others.some((one) => one.address === address));
  const came = free.filter(({ client }) => !before.some((one) => one.client === client));
  const candidates = came.length > 0 ? came : free;
  const [only, ...more] = candidates;
  if (only === undefined || more.length > 0) return [];
  return [{ address: only.address, client: `client.${only.client}` }];
}
