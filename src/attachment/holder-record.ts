/** The holder record: which nodes may use a volume, kept in the image itself under one metadata key. */
import { isAccessMode, type AccessMode } from '../model/capability.js';
import { berthError } from '../model/errors.js';
import { isOfAnother, type ImageIdentity, type RecordSubject } from '../model/volume-id.js';
import type { ImageHead } from '../rbd/port.js';
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
  /**
   * Names the one attach that granted it: new with each, and shown by the node when it stages. Absent where the node
   * took it itself, and where an earlier Berth granted it or wrote its state.
   */
  readonly grant?: string;
  /** Uid of the Node object at the attach, in records of an earlier Berth; nothing depends on it. */
  readonly uid?: string;
  /** Absent in records of a Berth that knew no states: then nothing but watchers tells whether it is in use. */
  readonly state?: HolderState;
  /** ISO 8601, by the node's clock: when it wrote `state`. */
  readonly at?: string;
  /** The boot in which the node wrote `state`; whatever it had mapped ends with it. */
  readonly bootId?: string;
  /**
   * ISO 8601, by the controller's clock: since when somebody wants the volume from this node, while nothing proves that
   * it has let go. The node takes down what no pod of its uses then (forgotten-stages.ts).
   */
  readonly detachWanted?: string;
  /** Through which the node has it open, or had when it released it; absent where it could not be told. */
  readonly clients?: readonly ClientInstance[];
}

/**
 * The version of a record that names nodes of one name, of two installations that share the volume. An earlier Berth
 * knows a node by its name alone, and must not touch such a record.
 */
export const EQUAL_NAMES = 1.1;

/** What it says of its image is compared with the image: a copy carries the record along and is not meant. */
export interface HolderRecord extends RecordSubject {
  /** {@link EQUAL_NAMES} where it names two nodes of one name. */
  readonly version: 1 | typeof EQUAL_NAMES;
  readonly mode: AccessMode;
  readonly access: 'block' | 'mount';
  readonly readOnly: boolean;
  readonly holders: readonly [Holder, ...Holder[]];
}

/** A delete that may be removing the image. */
export interface Deletion {
  /** `addr:port/nonce` of the Ceph client that removes it. */
  readonly client: string;
  /** ISO 8601 */
  readonly since: string;
}

/**
 * Stands in the place of a holder record while the image is being removed, so that a delete excludes every holder as
 * one holder excludes another. To a Berth that knew no claims it is a record that cannot be read, and it leaves the
 * volume alone.
 */
export interface DeleteClaim extends RecordSubject {
  readonly version: 1;
  readonly deleting: readonly [Deletion, ...Deletion[]];
}

/** What stands under {@link HOLDER_KEY}. */
export type HolderEntry = HolderRecord | DeleteClaim;

export const isClaim = (entry: HolderEntry | undefined): entry is DeleteClaim =>
  entry !== undefined && 'deleting' in entry;

/** The image whose metadata are read: which one it is says whether they are its own. */
export type RecordHome = Pick<ImageHead, 'id' | 'fsid' | 'metadata'>;

/**
 * The holder record for whoever wants to hold or to change the volume. BERTH_VOLUME_DELETING while a delete has claimed
 * it; else as {@link readHolderRecord}.
 */
export function holderRecordToTake(home: RecordHome, volume: string): HolderRecord | undefined {
  return parseHolderRecord(home.metadata.get(HOLDER_KEY), volume, home);
}

/**
 * The holder record for whoever looks, or takes a holder out: undefined where nobody holds the volume, also while a
 * delete has claimed it. BERTH_RECORD_UNREADABLE.
 */
export function readHolderRecord(home: RecordHome, volume: string): HolderRecord | undefined {
  const entry = readEntry(home, volume);
  return isClaim(entry) ? undefined : entry;
}

/** Undefined while no delete has claimed the volume. BERTH_RECORD_UNREADABLE. */
export function readDeleteClaim(home: RecordHome, volume: string): DeleteClaim | undefined {
  const entry = readEntry(home, volume);
  return isClaim(entry) ? entry : undefined;
}

/** Is there a record, and is it another image's? BERTH_RECORD_UNREADABLE. */
export const hasRecordOfAnother = (home: RecordHome, volume: string): boolean =>
  (home.metadata.get(HOLDER_KEY) ?? '') !== '' && readEntry(home, volume) === undefined;

const readEntry = (home: RecordHome, volume: string): HolderEntry | undefined =>
  parseHolderEntry(home.metadata.get(HOLDER_KEY), volume, home);

/** As {@link parseHolderEntry}; BERTH_VOLUME_DELETING for a claim. */
export const parseHolderRecord = (
  text: string | undefined,
  volume: string,
  own?: ImageIdentity,
): HolderRecord | undefined => unlessClaimed(parseHolderEntry(text, volume, own), volume);

/** BERTH_VOLUME_DELETING for a claim. */
export function unlessClaimed(entry: HolderEntry | undefined, volume: string): HolderRecord | undefined {
  if (!isClaim(entry)) return entry;
  const { client, since } = entry.deleting[0];
  throw berthError('BERTH_VOLUME_DELETING', { volume, since, client });
}

/**
 * Read the metadata value; undefined means nobody holds it, or that the record came with a copy.
 * BERTH_RECORD_UNREADABLE for what this version cannot understand.
 * @param own undefined where only the text is known
 */
export function parseHolderEntry(
  text: string | undefined,
  volume: string,
  own?: ImageIdentity,
): HolderEntry | undefined {
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
  const entry = value as Partial<HolderRecord & DeleteClaim>;
  const version = entry.version as number | undefined;
  if (version !== 1 && version !== EQUAL_NAMES) throw unreadableError(`version ${String(version)}`);
  if (isOfAnother(entry, volume, own)) return undefined;
  const why = entry.deleting === undefined ? whyNotRecord(entry) : whyNotClaim(entry);
  if (why !== undefined) throw unreadableError(why);
  return value as HolderEntry;
}

const whyNotClaim = ({ deleting }: Partial<DeleteClaim>): string | undefined =>
  isDeletions(deleting) ? undefined : 'a delete without client or time';

function whyNotRecord(record: Partial<HolderRecord>): string | undefined {
  if (!isAccessMode(record.mode)) return `mode ${String(record.mode)}`;
  if (record.access !== 'block' && record.access !== 'mount') return `access ${String(record.access)}`;
  if (typeof record.readOnly !== 'boolean') return 'no readOnly';
  if (!Array.isArray(record.holders) || record.holders.length === 0) return 'no holders';
  return record.holders.every(isHolder) ? undefined : 'a holder without node or time';
}

/** A state of a later Berth makes the record unreadable: what it means for safety nobody here knows. */
const isHolder = (value: Partial<Holder> | null): boolean =>
  value !== null &&
  hasIdentity(value) &&
  typeof value.since === 'string' &&
  (value.state === undefined || HOLDER_STATES.includes(value.state)) &&
  [value.uid, value.at, value.bootId, value.grant, value.detachWanted].every(
    (one) => one === undefined || typeof one === 'string',
  ) &&
  (value.clients === undefined || (Array.isArray(value.clients) && value.clients.every(isClient)));

const isDeletions = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((one: Partial<Deletion> | null) => typeof one?.client === 'string' && typeof one.since === 'string');

const isClient = (value: Partial<ClientInstance> | null): boolean =>
  typeof value?.address === 'string' && typeof value.client === 'string';

export function formatHolderRecord(entry: HolderEntry): string {
  if (isClaim(entry)) return JSON.stringify(entry);
  const names = new Set(entry.holders.map(({ node }) => node));
  return JSON.stringify({ ...entry, version: names.size === entry.holders.length ? 1 : EQUAL_NAMES });
}

/**
 * Why what a node has staged is not its own any more by the record; undefined while it is. `granted` is a newer attach,
 * not staged yet.
 * @param grant the attach by which it was staged, where that is known
 * @param clients addresses by which the node has it open: a record that names one of them speaks of this very node,
 *   whatever it calls itself by now
 */
export function whyNotStaged(
  record: HolderRecord | undefined,
  node: NodeIdentity,
  grant?: string,
  clients: readonly string[] = [],
): string | undefined {
  const isClient = ({ address }: ClientInstance): boolean => clients.includes(address);
  const mine =
    record?.holders.find((one) => isSameNode(one, node)) ??
    record?.holders.find((one) => one.clients?.some(isClient) === true);
  if (mine === undefined) return 'the holder record does not name this node any more';
  if (mine.state === 'granted' || isOtherGrant(mine.grant, grant))
    return 'it was detached and attached anew since it was staged';
  return mine.state === 'released' ? 'the holder record says that it was released' : undefined;
}

/** Both are known, and are two attaches. What is not known proves nothing: an earlier Berth knew no grants. */
export const isOtherGrant = (one: string | undefined, other: string | undefined): boolean =>
  one !== undefined && other !== undefined && one !== other;
