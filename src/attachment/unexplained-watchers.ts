/**
 * Which of an image's watchers a node's own clients or the holder record explain, and which nobody does. An empty list
 * of watchers proves nothing, for a frozen client loses its watch; a stranger proves that somebody else has it open.
 */
import type { Watcher } from '../rbd/port.js';
import type { ClientInstance, Holder, HolderRecord } from './holder-record.js';
import { isSameNode, type NodeIdentity } from './node-identity.js';

/** A client as far as it is known: of a connection of our own librbd nobody says the number. */
export type KnownClient = Pick<ClientInstance, 'address'> & Partial<ClientInstance>;

export interface WatcherFacts {
  readonly watchers: readonly Watcher[];
  readonly record: HolderRecord | undefined;
  /** Whose `own` are. What the record says of this node explains nothing by itself. */
  readonly node: NodeIdentity;
  readonly own: readonly KnownClient[];
}

export interface AttributedWatchers {
  readonly own: readonly Watcher[];
  /** Empty also where another holder's unrecorded clients would explain them. */
  readonly strangers: readonly Watcher[];
}

export function attributeWatchers({ watchers, record, node, own: clients }: WatcherFacts): AttributedWatchers {
  // Who released it has closed it, by its own word: a client of it that is seen still is not explained by that.
  const others = record?.holders.filter((one) => !isSameNode(one, node) && one.state !== 'released') ?? [];
  const own = watchers.filter((watcher) => isOneOf(clients, watcher));
  const rest = watchers.filter(
    (watcher) => !isOneOf(clients, watcher) && !others.some((one) => isOneOf(one.clients ?? [], watcher)),
  );
  return { own, strangers: others.some(mayHaveAny) ? [] : rest };
}

/**
 * The watchers that nobody explains.
 * @param unnamed how many of the node's own clients are not known by name: where more watchers than that are left over,
 *   at least one of them is a stranger, and all of them are answered
 */
export function unexplainedWatchers(facts: WatcherFacts, unnamed: 0 | 1 = 0): readonly Watcher[] {
  const { strangers } = attributeWatchers(facts);
  return strangers.length > unnamed ? strangers : [];
}

/**
 * By address or by number: behind a translation of addresses the node may know itself by another one than the cluster
 * does.
 */
export const isOneOf = (clients: readonly KnownClient[], watcher: Watcher): boolean =>
  clients.some(({ address, client }) => address === watcher.address || client === `client.${watcher.client}`);

/** It may have the image open, and has not said by which clients. */
const mayHaveAny = ({ state, clients }: Holder): boolean => clients === undefined && state !== 'granted';

export const instanceOf = ({ address, client }: Watcher): ClientInstance => ({ address, client: `client.${client}` });

/** `client.4123 at 10.0.0.1:0/77, client.4130 at 10.0.0.2:0/12` */
export const describeWatchers = (watchers: readonly Watcher[]): string =>
  watchers.map(({ address, client }) => `client.${client} at ${address}`).join(', ');
