/**
 * Finds the Ceph client by which a guest has its image open. Nobody says so, but Ceph shows its watchers; a fence has
 * to know whom it is aimed at.
 */
import {
  readHolderRecord,
  whyNotStaged,
  type ClientInstance,
  type HolderRecord,
} from '../../../attachment/holder-record.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { isSameNode, type NodeIdentity } from '../../../attachment/node-identity.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { RbdPort, Watcher } from '../../../rbd/port.js';
import type { Journal } from '../../../journal/journal.js';
import type { Logger } from '../../../observe/log.js';
import { isOtherImage } from '../recovery/entry-image.js';
import type { NodeHolderRecords } from '../node-holder-records.js';
import { ifUnchanged, type UnchangedParts } from '../recovery/as-only-operation.js';
import { locate, type ImageLookup } from '../../image/find-volume.js';

/** How long Ceph may take to say who has one image open, in ms. */
const ASK_MS = 10_000;

export interface GuestClientParts extends UnchangedParts, ImageLookup {
  readonly journal: Pick<Journal, 'read' | 'write'>;
  readonly rbd: Pick<RbdPort, 'head' | 'watchers' | 'identify'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'recordStaged'>;
  /** This node's id. */
  readonly self: NodeIdentity;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class GuestClients {
  readonly #parts: GuestClientParts;
  /** Volumes of which the log has the trouble already. */
  readonly #told = new Set<string>();

  constructor(parts: GuestClientParts) {
    this.#parts = parts;
  }

  /** Every image that this node has handed over, once. Never fails: what goes wrong is told once and tried again. */
  async round(entries: readonly JournalEntry[], stopped: () => boolean): Promise<void> {
    const { log } = this.#parts;
    for (const entry of entries) {
      if (stopped()) return;
      if (entry.handedTo === undefined || entry.state !== 'staged') continue;
      try {
        await recordGuestClient(this.#parts, entry, Deadline.after(ASK_MS));
        this.#told.delete(entry.volume);
      } catch (error) {
        if (isBerthError(error, 'BERTH_BUSY') || this.#told.has(entry.volume)) continue;
        this.#told.add(entry.volume);
        log.warn(
          { volume: entry.volume, err: error },
          'by which client a guest has the image open could not be recorded',
        );
      }
    }
  }
}

async function recordGuestClient(parts: GuestClientParts, entry: JournalEntry, deadline: Deadline): Promise<void> {
  const { clusters, rbd, journal, holderRecords, self, log } = parts;
  const { volume } = entry;
  const place = await locate(clusters, volume, 'node', undefined);
  const head = place && (await rbd.head(place.at, deadline));
  // The guest has the image open that was handed over, not the one that has its name now.
  if (place === undefined || head === undefined || isOtherImage(entry, head)) return;
  const { at } = place;
  const [watchers, { instance }] = await Promise.all([rbd.watchers(at, deadline), rbd.identify(at.access, deadline)]);
  const holders = readHolderRecord(head, volume);
  // Whoever has it open then is that node's; its client in our journal would keep the volume here for ever.
  if (whyNotStaged(holders, self) !== undefined) return;
  const client = guestClientOf(watchers, holders, self, instance);
  if (client === undefined || isKnown(client, entry, holders, self)) return;
  await ifUnchanged(parts, entry, 'record guest client', deadline, async (operation, deadline) => {
    operation.step('record guest client');
    // The journal first: it keeps a fence of this client up (clientsInUse),
    // which may come as soon as the record names it.
    await journal.write({ ...entry, guestClients: [client.address] });
    await holderRecords.recordStaged({ at, head, volume }, [client], deadline);
    log.info({ volume, client }, 'the client of the guest is recorded');
    return 'done';
  });
}

/**
 * The only one that has the image open, where it comes from this node's address as Ceph sees it and is nobody else's by
 * the record; undefined while there is none or that is not clear, as for the 30 s in which Ceph has not forgotten a
 * guest that died.
 * @param ours a client instance of our own on this node
 */
export function guestClientOf(
  watchers: readonly Watcher[],
  record: HolderRecord | undefined,
  node: NodeIdentity,
  ours: string,
): ClientInstance | undefined {
  const others = record?.holders.filter((one) => !isSameNode(one, node)).flatMap(({ clients }) => clients ?? []) ?? [];
  const free = watchers.filter(({ address }) => !others.some((one) => one.address === address));
  const [only, ...more] = free;
  if (only === undefined || more.length > 0 || hostOf(only.address) !== hostOf(ours)) return undefined;
  return { address: only.address, client: `client.${only.client}` };
}

const hostOf = (instance: string): string => instance.replace(/:\d+\/\d+$/, '');

function isKnown(
  { address }: ClientInstance,
  entry: JournalEntry,
  record: HolderRecord | undefined,
  node: NodeIdentity,
): boolean {
  const recorded = record?.holders.find((one) => isSameNode(one, node))?.clients ?? [];
  return entry.guestClients?.includes(address) === true && recorded.some((one) => one.address === address);
}
