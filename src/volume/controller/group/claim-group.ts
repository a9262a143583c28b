/**
 * Makes a group's name that of one attempt, before anything is cut. What an earlier attempt may have left is known from
 * then on, and is removed before the next cut.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Attempt, GroupRecord, GroupRecords, ReadGroup } from './group-record.js';

/** How long an attempt that has not ended keeps its name from other sources, in ms. */
const COUNTS_MS = 30_000;
/** Lost races before the caller is told to come again: each one means that somebody else made progress. */
const ATTEMPTS = 8;
/** Attempts that a record remembers. */
const EARLIER = 8;
/** Between two looks at an attempt of another controller, in ms. */
const LOOK_MS = 300;

/** A name that is wanted, and for what. */
export interface WantedGroup {
  /** In RBD. */
  readonly name: string;
  /** As the orchestrator calls it, for messages. */
  readonly called: string;
  /** The sources, in any order. */
  readonly volumes: readonly string[];
}

/**
 * The record that is ours now; or that of a group which was taken before, as it is. An attempt at the same group is
 * taken over at once: its controller may have died, and finds out that it was overtaken if it has not.
 * BERTH_GROUP_EXISTS of other sources, BERTH_GROUP_PENDING while others may be at it, BERTH_RECORD_CONTENDED.
 */
export async function claimGroup(
  records: GroupRecords,
  wanted: WantedGroup,
  mine: Omit<GroupRecord, 'earlier'>,
  now: Date,
  deadline: Deadline,
): Promise<ReadGroup> {
  const { name } = wanted;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present = await records.read(name, deadline);
    if (present !== undefined) refuseOther(present, wanted, now);
    if (present?.state === 'taken') return present;
    const earlier = present === undefined ? [] : [attemptOf(present), ...present.earlier].slice(0, EARLIER);
    const record = await records.change(name, present, { ...mine, earlier }, deadline);
    if (record !== undefined) return record;
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume: name, times: ATTEMPTS });
}

/** BERTH_GROUP_EXISTS, BERTH_GROUP_PENDING. */
function refuseOther(present: ReadGroup, wanted: WantedGroup, now: Date): void {
  if (present.state === 'deleting' || isGroupOf(present, wanted)) return;
  const { called, volumes } = wanted;
  if (present.state === 'taken') {
    const have = present.members.map(({ volume }) => volume).join(', ');
    throw berthError('BERTH_GROUP_EXISTS', { name: called, have, want: volumes.join(', ') });
  }
  if (now.getTime() - Date.parse(present.at) < COUNTS_MS) throw pendingError(called, present.at);
}

const pendingError = (name: string, since: string): Error => berthError('BERTH_GROUP_PENDING', { name, since });

/**
 * What another controller has made of the name that it took over from us. Not taken over again, or the two would do so
 * by turns. BERTH_GROUP_PENDING where it does not come to an end in time.
 */
export async function waitForOther(
  records: GroupRecords,
  wanted: WantedGroup,
  since: string,
  deadline: Deadline,
): Promise<ReadGroup> {
  while (deadline.remaining() > 2 * LOOK_MS) {
    const present = await records.read(wanted.name, deadline);
    if (present === undefined || present.state === 'deleting' || !isGroupOf(present, wanted)) break;
    if (present.state === 'taken') return present;
    await sleep(LOOK_MS);
  }
  throw pendingError(wanted.called, since);
}

export const isGroupOf = ({ members }: GroupRecord, { volumes }: WantedGroup): boolean =>
  members.length === volumes.length && members.every(({ volume }) => volumes.includes(volume));

const attemptOf = ({ attempt, members }: Attempt): Attempt => ({ attempt, members });
