/**
 * Whose a snapshot's name is: one record a name in an omap of the cluster, since one image knows nothing of another's
 * snapshots. It is written before the snapshot is cut, and never proves one: the image does.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';

/** In each cluster's registry place: name in RBD -> JSON. `rados listomapvals berth.snapshot-names` shows it. */
export const SNAPSHOT_NAMES_OBJECT = 'berth.snapshot-names';

export interface NameRecord {
  readonly version: 1;
  /** The handle of the source. */
  readonly volume: string;
  /** Ceph's id of its image, whatever that is called now. */
  readonly imageId: string;
  /** ISO 8601, when the attempt began that wrote it. */
  readonly at: string;
  /** Random, so that no two attempts write the same: who finds another one's knows that he was overtaken. */
  readonly attempt: string;
  /** Decimal; there once the snapshot has been cut and was seen to be whole. */
  readonly snapshotId?: string;
  /** What was cut is not whole: it is being removed, and nobody may take it for taken. */
  readonly undoing?: true;
}

/** A record, with the text that a compare-and-set expects. */
export interface ReadRecord extends NameRecord {
  readonly text: string;
}

export type NamesPort = Pick<RbdPort, 'getRecords' | 'compareAndSetRecord'>;

export class NameRecords {
  readonly #rbd: NamesPort;
  readonly #registry: PoolRef;

  /** @param registry the cluster's place for such records */
  constructor(rbd: NamesPort, registry: PoolRef) {
    this.#rbd = rbd;
    this.#registry = registry;
  }

  /** One OSD operation; undefined where nobody has the name. BERTH_RECORD_UNREADABLE. */
  async read(name: string, deadline: Deadline): Promise<ReadRecord | undefined> {
    const records = await this.#rbd.getRecords(this.#registry, SNAPSHOT_NAMES_OBJECT, [name], deadline);
    const text = records.get(name) ?? '';
    return text === '' ? undefined : { ...parse(text, name), text };
  }

  /** One OSD operation: what is written, or undefined where somebody else was first. */
  async change(
    name: string,
    expected: ReadRecord | undefined,
    next: NameRecord,
    deadline: Deadline,
  ): Promise<ReadRecord | undefined> {
    const text = format(next);
    return (await this.#exchange(name, expected?.text, text, deadline)) ? { ...next, text } : undefined;
  }

  /** One OSD operation; false where somebody else was first, and it stands. */
  forget(name: string, expected: ReadRecord, deadline: Deadline): Promise<boolean> {
    return this.#exchange(name, expected.text, undefined, deadline);
  }

  #exchange(name: string, from: string | undefined, to: string | undefined, deadline: Deadline): Promise<boolean> {
    return this.#rbd.compareAndSetRecord(this.#registry, SNAPSHOT_NAMES_OBJECT, name, from, to, deadline);
  }
}

const format = ({ version, volume, imageId, at, attempt, snapshotId, undoing }: NameRecord): string =>
  JSON.stringify({ version, volume, imageId, at, attempt, snapshotId, undoing });

function parse(text: string, name: string): NameRecord {
  const unreadableError = (why: string): Error =>
    berthError('BERTH_RECORD_UNREADABLE', { key: SNAPSHOT_NAMES_OBJECT, volume: name, why });
  let value: Partial<NameRecord> | null;
  try {
    value = JSON.parse(text) as Partial<NameRecord> | null;
  } catch {
    throw unreadableError('not JSON');
  }
  if (value?.version !== 1) throw unreadableError(`version ${String(value?.version)}`);
  const { volume, imageId, at, attempt, snapshotId = '1' } = value;
  if ([volume, imageId, at, attempt].some((one) => typeof one !== 'string') || !/^\d+$/.test(snapshotId))
    throw unreadableError('a field is missing');
  return value as NameRecord;
}
