/**
 * By which client a guest has the image open that was handed to it: nobody says so, Ceph shows it; a fence has to know
 * whom it is aimed at.
 */
import {
  HOLDER_KEY,
  parseHolderRecord,
  type ClientInstance,
  type HolderRecord,
} from '../../../attachment/holder-record.js';
import type { JournalEntry } from '../../../journal/entry.js';
import { Deadline } from '../../../model/deadline.js';
import { isBerthError } from '../../../model/errors.js';
import type { Watcher } from '../../../rbd/port.js';
import type { NodeRoom } from '../node-room.js';
import { asOnlyOperation } from '../recovery/recover-entry.js';
import { locate } from '../../image/find-volume.js';

/** What the look at one volume may take, in ms. */
const LOOK_MS = 10_000;

export class GuestClients {
  readonly #room: NodeRoom;
  /** Volumes of which the log has the trouble already. */
  readonly #told = new Set<string>();

  constructor(room: NodeRoom) {
    this.#room = room;
  }

  /** Every image that this node has handed over, once. Never fails: what goes wrong is told once and tried again. */
  async round(entries: readonly JournalEntry[], stopped: () => boolean): Promise<void> {
    const { log } = this.#room;
    for (const entry of entries) {
      if (stopped()) return;
      if (entry.handedTo === undefined || entry.state !== 'staged') continue;
      try {
        await record(this.#room, entry, Deadline.after(LOOK_MS));
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

async function record(room: NodeRoom, entry: JournalEntry, deadline: Deadline): Promise<void> {
  const { volume } = entry;
  const place = await locate(room.clusters, volume, 'node', undefined);
  const head = place && (await room.rbd.head(place.at, deadline));
  if (place === undefined || head === undefined) return;
  const { at } = place;
  const [watchers, { instance }] = await Promise.all([
    room.rbd.watchers(at, deadline),
    room.rbd.identify(at.access, deadline),
  ]);
  const holders = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  const client = guestClientOf(watchers, holders, room.node, instance);
  if (client === undefined || isKnown(client, entry, holders, room.node)) return;
  await asOnlyOperation(room, volume, 'record guest client', deadline, 'wait', async (operation, deadline) => {
    operation.step('read journal');
    if (JSON.stringify(await room.journal.read(volume)) !== JSON.stringify(entry)) return 'changed';
    operation.step('record guest client');
    // The journal first: it keeps a fence of this client up (clientsInUse), which may come as soon as the record names
    // it.
    await room.journal.write({ ...entry, guestClients: [client.address] });
    await room.holderRecords.recordStaged({ at, head, volume }, [client], deadline);
    room.log.info({ volume, client }, 'the client of the guest is recorded');
    return 'done';
  });
}

/**
 * The only one that has the image open, where it comes from this node's address as Ceph sees it and is nobody else's by
 * the record; undefined while there is none or that is not clear, as for the 30 s in which Ceph has not forgotten a
 * guest that died.
 * @param self a client instance of our own on this node
 */
export function guestClientOf(
  watchers: readonly Watcher[],
  record: HolderRecord | undefined,
  node: string,
  self: string,
): ClientInstance | undefined {
  const others = record?.holders.filter((one) => one.node !== node).flatMap(({ clients }) => clients ?? []) ?? [];
  const free = watchers.filter(({ address }) => !others.some((one) => one.address === address));
  const [only, ...more] = free;
  if (only === undefined || more.length > 0 || hostOf(only.address) !== hostOf(self)) return undefined;
  return { address: only.address, client: `client.${only.client}` };
}

const hostOf = (instance: string): string => instance.replace(/:\d+\/\d+$/, '');

function isKnown(
  { address }: ClientInstance,
  entry: JournalEntry,
  record: HolderRecord | undefined,
  node: string,
): boolean {
  const recorded = record?.holders.find((one) => one.node === node)?.clients ?? [];
  return entry.guestClients?.includes(address) === true && recorded.some((one) => one.address === address);
}
