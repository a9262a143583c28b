/**
 * What the image of a deleted volume remembers under one metadata key: which volume it was, since when it is deleted,
 * until when it is kept, and who is removing its data.
 */
import { berthError } from '../../../model/errors.js';
import { isOfAnother, subjectOf, type RecordSubject } from '../../../model/volume-id.js';
import type { ImageHead } from '../../../rbd/port.js';

/** Readable with `rbd image-meta get <image> berth.dev/deleted`. */
export const DELETED_KEY = 'berth.dev/deleted';

/** The controller that removes the data: another one goes on when the time is over. */
export interface PurgeLease {
  /** Made up anew by each process. */
  readonly by: string;
  /** ISO 8601 */
  readonly until: string;
}

/** What it says of its image is compared with the image: a copy carries the record along and is not meant. */
export interface DeletedRecord extends RecordSubject {
  readonly version: 1;
  /** ISO 8601 */
  readonly at: string;
  /** The handle that the volume had. */
  readonly volume: string;
  /** ISO 8601; absent where the data goes as soon as nothing needs it. */
  readonly keepUntil?: string;
  /** From the moment that it is there, the data is going and the volume cannot come back. */
  readonly purge?: PurgeLease;
  /** It is being brought back (`berth undelete`): its data stays. */
  readonly restoring?: true;
}

type Home = Pick<ImageHead, 'id' | 'fsid' | 'metadata'>;

export const formatDeleted = (record: DeletedRecord, own: Pick<ImageHead, 'id' | 'fsid'>): string =>
  JSON.stringify({ ...record, ...subjectOf(record.volume, own) });

/** Undefined for an image that is not deleted, or has the record of another. BERTH_RECORD_UNREADABLE. */
export function parseDeleted(home: Home, name: string): DeletedRecord | undefined {
  const text = home.metadata.get(DELETED_KEY);
  if (text === undefined || text === '') return undefined;
  let value: Partial<DeletedRecord> | undefined;
  try {
    value = JSON.parse(text) as Partial<DeletedRecord>;
  } catch {
    throw unreadableError(name, 'not JSON');
  }
  if (value.version !== 1) throw unreadableError(name, `version ${String(value.version)}`);
  if (typeof value.volume !== 'string' || typeof value.at !== 'string')
    throw unreadableError(name, 'no volume or time');
  if (!isTime(value.keepUntil) || !isTime(value.purge?.until)) throw unreadableError(name, 'a time that is none');
  return isOfAnother(value, value.volume, home) ? undefined : (value as DeletedRecord);
}

const isTime = (text: unknown): boolean =>
  text === undefined || (typeof text === 'string' && Number.isFinite(Date.parse(text)));

const unreadableError = (volume: string, why: string): Error =>
  berthError('BERTH_RECORD_UNREADABLE', { key: DELETED_KEY, volume, why });
