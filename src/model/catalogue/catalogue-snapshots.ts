/** The part of the catalogue that is about snapshots. */
import { entry } from './catalogue-entry.js';

export const snapshots = {
  BERTH_SNAPSHOT_NOT_FOUND: entry('NOT_FOUND', 'snapshot {snapshot} does not exist', 'check the snapshot handle'),
  BERTH_SNAPSHOT_EXISTS: entry(
    'ALREADY_EXISTS',
    'a snapshot named {name} exists, and it is of volume {have}, not of {want}',
    'delete it first or choose another name',
  ),
  BERTH_SNAPSHOT_PENDING: entry(
    'ABORTED',
    'the snapshot named {name} of volume {volume} is being taken elsewhere since {since}',
    'the call may be repeated; what was cut short there counts for two minutes',
  ),
  BERTH_SNAPSHOT_PARAMETER_UNKNOWN: entry(
    'INVALID_ARGUMENT',
    'parameter {name} is not known',
    'take it out of the VolumeSnapshotClass: a snapshot has no parameters',
  ),
} as const;
