/** The part of the catalogue that is about snapshots of several volumes at one moment. */
import { entry } from './catalogue-entry.js';

export const groups = {
  BERTH_GROUP_NOT_FOUND: entry('NOT_FOUND', 'group snapshot {group} does not exist', 'check the group snapshot handle'),
  BERTH_GROUP_EXISTS: entry(
    'ALREADY_EXISTS',
    'a group snapshot named {name} exists, and it is of {have}, not of {want}',
    'delete it first or choose another name',
  ),
  BERTH_GROUP_PENDING: entry(
    'ABORTED',
    'the group snapshot named {name} is being taken elsewhere since {since}',
    'the call may be repeated; what was cut short there counts for half a minute',
  ),
  BERTH_GROUP_UNFIT: entry(
    'FAILED_PRECONDITION',
    '{what} cannot be cut at one moment: {why}',
    'take single snapshots, or choose other volumes',
  ),
  BERTH_GROUP_NOT_HELD: entry(
    'ABORTED',
    'the volumes could not be held at one moment: {why}',
    'nothing is left of the attempt; the call may be repeated',
  ),
  BERTH_GROUP_INCOMPLETE: entry(
    'FAILED_PRECONDITION',
    'group snapshot {group} lacks the snapshots of {volumes}, which somebody removed',
    'delete the group snapshot, or restore from the members that are left',
  ),
  // The contract's status for a snapshot that goes only with its group.
  BERTH_GROUP_MEMBER: entry(
    'INVALID_ARGUMENT',
    'snapshot {snapshot} belongs to the group snapshot {group}',
    'delete the group snapshot, the snapshot goes with it',
  ),
  BERTH_GROUP_MISMATCH: entry(
    'INVALID_ARGUMENT',
    'group snapshot {group} has other members than the request names: {have}',
    'name exactly these, or none',
  ),
} as const;
