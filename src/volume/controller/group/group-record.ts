/**
 * What a group snapshot consists of: one record a name in an omap of the cluster. It is written before anything is cut,
 * so that whatever a crash leaves is found again.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';

/** In each cluster's registry place: name in RBD -> JSON. `rados listomapvals berth.group-snapshots` shows it. */
export const GROUPS_OBJECT = 'berth.group-snapshots';

/** Everything that is done to a group is one operation at a time. */
export const groupKey = (cluster: string, name: string): string => `${cluster}/${name}`;

export interface GroupMember {
  /** The handle of the source. */
  readonly volume: string;
  /** Ceph's id of its image, whatever that is called now. */
  readonly imageId: string;
  /** Decimal; there once all have been cut. */
  readonly snapshotId?: string;
}

/** An attempt that may have left snapshots. */
export interface Attempt {
  /** Part of the name of each of its snapshots. */
  readonly attempt: string;
  readonly members: readonly GroupMember[];
}

export interface GroupRecord extends Attempt {
  readonly version: 1;
  /** ISO 8601, when the attempt began. */
  readonly at: string;
  readonly state: 'taking' | 'taken' | 'deleting';
  /** Attempts that this one took the name over from, the newest first. */
  readonly earlier: readonly Attempt[];
}

/** A record, with the text that a compare-and-set expects. */
export interface ReadGroup extends GroupRecord {
  readonly text: string;
}

export type GroupRecordsPort = Pick<RbdPort, 'getRecords' | 'compareAndSetRecord'>;

export class GroupRecords {
  readonly #rbd: GroupRecordsPort;
  readonly #registry: PoolRef;

  /** @param registry the cluster's place for such records */
  constructor(rbd: GroupRecordsPort, registry: PoolRef) {
    this.#rbd = rbd;
    this.#registry = registry;
  }

  /** One OSD operation; undefined where nobody has the name. BERTH_RECORD_UNREADABLE. */
  async read(name: string, deadline: Deadline): Promise<ReadGroup | undefined> {
    const records = await this.#rbd.getRecords(this.#registry, GROUPS_OBJECT, [name], deadline);
    const text = records.get(name) ?? '';
    return text === '' ? undefined : { ...parse(text, name), text };
  }

  /** One OSD operation: what is written, or undefined where somebody else was first. */
  async change(
    name: string,
    expected: ReadGroup | undefined,
    { version, state, at, attempt, members, earlier }: GroupRecord,
    deadline: Deadline,
  ): Promise<ReadGroup | undefined> {
    const next: GroupRecord = { version, state, at, attempt, members, earlier };
    const text = JSON.stringify(next);
    return (await this.#exchange(name, expected?.text, text, deadline)) ? { ...next, text } : undefined;
  }

  /** One OSD operation; false where somebody else was first, and it stands. */
  forget(name: string, expected: ReadGroup, deadline: Deadline): Promise<boolean> {
    return this.#exchange(name, expected.text, undefined, deadline);
  }

  #exchange(name: string, from: string | undefined, to: string | undefined, deadline: Deadline): Promise<boolean> {
    return this.#rbd.compareAndSetRecord(this.#registry, GROUPS_OBJECT, name, from, to, deadline);
  }
}

const STATES: readonly unknown[] = ['taking', 'taken', 'deleting'];

function parse(text: string, name: string): GroupRecord {
  const unreadableError = (why: string): Error =>
    berthError('BERTH_RECORD_UNREADABLE', { key: GROUPS_OBJECT, volume: name, why });
  let value: Partial<GroupRecord> | null;
  try {
    value = JSON.parse(text) as Partial<GroupRecord> | null;
  } catch {
    throw unreadableError('not JSON');
  }
  if (value?.version !== 1) throw unreadableError(`version ${String(value?.version)}`);
  const { state, at, earlier } = value;
  const isWhole = typeof at === 'string' && STATES.includes(state) && Array.isArray(earlier);
  if (
    !isWhole ||
    !isAttempt(value, state === 'taken') ||
    !(earlier as readonly Partial<Attempt>[]).every((one) => isAttempt(one, false))
  )
    throw unreadableError('a field is missing');
  return value as GroupRecord;
}

function isAttempt({ attempt, members }: Partial<Attempt>, isTaken: boolean): boolean {
  if (typeof attempt !== 'string' || !Array.isArray(members)) return false;
  return (members as readonly Partial<GroupMember>[]).every(
    ({ volume, imageId, snapshotId }) =>
      typeof volume === 'string' &&
      typeof imageId === 'string' &&
      (snapshotId === undefined ? !isTaken : /^\d+$/.test(snapshotId)),
  );
}
