/** The holder record: which nodes may use a volume, kept in the image itself under one metadata key. */
import { isAccessMode, type AccessMode } from '../model/capability.js';
import { fail } from '../model/errors.js';
import { isCopied } from '../model/volume-id.js';

/** Readable with `rbd image-meta get <image> berth.dev/holder`. */
export const HOLDER_KEY = 'berth.dev/holder';

export interface Holder {
  readonly node: string;
  /** ISO 8601, when the attach was granted. */
  readonly since: string;
  /** Who asked: the attach RPC, or the node itself where nobody attaches (FlexVolume without attach). */
  readonly by: 'controller' | 'node';
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

/** Read the metadata value; undefined means nobody holds it, or that the record came with a copy. RECORD_UNREADABLE for what this version cannot understand. */
export function parseHolderRecord(text: string | undefined, volume: string): HolderRecord | undefined {
  if (text === undefined || text === '') return undefined;
  const unreadable = (why: string): Error => fail('RECORD_UNREADABLE', { key: HOLDER_KEY, volume, why });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable('not JSON');
  }
  if (typeof value !== 'object' || value === null) throw unreadable('not an object');
  const record = value as Partial<HolderRecord>;
  if ((record.version as number | undefined) !== 1) throw unreadable(`version ${String(record.version)}`);
  if (isCopied(record.image, volume)) return undefined;
  if (!isAccessMode(record.mode)) throw unreadable(`mode ${String(record.mode)}`);
  if (record.access !== 'block' && record.access !== 'mount') throw unreadable(`access ${String(record.access)}`);
  if (typeof record.readOnly !== 'boolean') throw unreadable('no readOnly');
  if (!Array.isArray(record.holders) || record.holders.length === 0) throw unreadable('no holders');
  if (!record.holders.every(isHolder)) throw unreadable('a holder without node or time');
  return value as HolderRecord;
}

const isHolder = (value: Partial<Holder> | null): boolean =>
  typeof value?.node === 'string' && typeof value.since === 'string';

export const formatHolderRecord = (record: HolderRecord): string => JSON.stringify(record);
