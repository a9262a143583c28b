/** The holder record: which nodes may use a volume, kept in the image itself under one metadata key. */
import { isAccessMode, type AccessMode } from '../model/capability.js';
import { berthError } from '../model/errors.js';
import { isCopied } from '../model/volume-id.js';
import { hasIdentity, isSameNode, type NodeIdentity, type RecordedNode } from './node-identity.js';

/** Readable with `rbd image-meta get <image> berth.dev/holder`. */
export const HOLDER_KEY = 'berth.dev/holder';

/** One client of Ceph as the cluster knows it: another port or nonce on the same address is somebody else. */
export interface ClientInstance {
  /** `addr:port/nonce`, as the kernel's client_addr and `rbd status` show it. */
  readonly address: string;
  /** `client.4123` */
  readonly client: string;
}

/**
 * `granted`: by an attach; the node has not begun. `staging`: the node set out to map it and has written nothing to it
 * yet; it does not before `staged`, with which it says by which clients. `released`: the node has unmapped it.
 */
export const HOLDER_STATES = ['granted', 'staging', 'staged', 'released'] as const;
export type HolderState = (typeof HOLDER_STATES)[number];

export interface Holder extends RecordedNode {
  /** ISO 8601, when the attach was granted. */
  readonly since: string;
  /** Who asked: the attach RPC, or the node itself where nobody attaches (FlexVolume without attach). */
  readonly by: 'controller' | 'node';
  /** Uid of the Node object at the attach, in records of an earlier Berth; nothing depends on it. */
  readonly uid?: string;
  /** Absent in records of a Berth that knew no states: then nothing but watchers tells whether it is in use. */
  readonly state?: HolderState;
  /** ISO 8601, by the node's clock: when it wrote `state`. */
  readonly at?: string;
  /** The boot in which the node wrote `state`; whatever it had mapped ends with it. */
  readonly bootId?: string;
  /** Through which the node has it open, or had when it released it; absent where it could not be told. */
  readonly clients?: readonly ClientInstance[];
}

export interface HolderRecord {
  readonly version: 1;
  /** The image that it speaks of; a copy of that image carries the record along and is not meant. */
  readonly image?: string;
  readonly mode: AccessMode;
  readonly access: 'block' | 'mount';
  readonly readOnly: boolean;
  readonly holders: readonly [Holder, ...Holder[]];
}

/**
 * Read the metadata value; undefined means nobody holds it, or that the record came with a copy.
 * BERTH_RECORD_UNREADABLE for what this version cannot understand.
 */
export function parseHolderRecord(text: string | undefined, volume: string): HolderRecord | undefined {
  if (text === undefined || text === '') return undefined;
  const unreadableError = (why: string): Error =>
    berthError('BERTH_RECORD_UNREADABLE', { key: HOLDER_KEY, volume, why });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadableError('not JSON');
  }
  if (typeof value !== 'object' || value === null) throw unreadableError('not an object');
  const record = value as Partial<HolderRecord>;
  if ((record.version as number | undefined) !== 1) throw unreadableError(`version ${String(record.version)}`);
  if (isCopied(record.image, volume)) return undefined;
  if (!isAccessMode(record.mode)) throw unreadableError(`mode ${String(record.mode)}`);
  if (record.access !== 'block' && record.access !== 'mount') throw unreadableError(`access ${String(record.access)}`);
  if (typeof record.readOnly !== 'boolean') throw unreadableError('no readOnly');
  if (!Array.isArray(record.holders) || record.holders.length === 0) throw unreadableError('no holders');
  if (!record.holders.every(isHolder)) throw unreadableError('a holder without node or time');
  return value as HolderRecord;
}

/** A state of a later Berth makes the record unreadable: what it means for safety nobody here knows. */
const isHolder = (value: Partial<Holder> | null): boolean =>
  value !== null &&
  hasIdentity(value) &&
  typeof value.since === 'string' &&
  (value.state === undefined || HOLDER_STATES.includes(value.state)) &&
  [value.uid, value.at, value.bootId].every((one) => one === undefined || typeof one === 'string') &&
  (value.clients === undefined || (Array.isArray(value.clients) && value.clients.every(isClient)));

const isClient = (value: Partial<ClientInstance> | null): boolean =>
  typeof value?.address === 'string' && typeof value.client === 'string';

export const formatHolderRecord = (record: HolderRecord): string => JSON.stringify(record);

/**
 * Why what a node has staged is not its own any more by the record; undefined while it is. `granted` is a newer attach,
 * not staged yet.
 */
export function whyNotStaged(record: HolderRecord | undefined, node: NodeIdentity): string | undefined {
  const mine = record?.holders.find((one) => isSameNode(one, node));
  if (mine === undefined) return 'the holder record does not name this node any more';
  if (mine.state === 'granted') return 'it was detached and attached anew since it was staged';
  return mine.state === 'released' ? 'the holder record says that it was released' : undefined;
}
