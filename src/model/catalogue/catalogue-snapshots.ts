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
  BERTH_BASE_UNFIT: entry(
    'INVALID_ARGUMENT',
    'snapshot {base} cannot be the base of {target}: {why}',
    'name an earlier snapshot of the same volume as the base',
  ),
  BERTH_OFFSET_OUT_OF_RANGE: entry(
    'OUT_OF_RANGE',
    'starting_offset {offset} is not within snapshot {target}',
    'begin at 0, or where the last block that came ended',
  ),
  // A backup tool takes it for: make a full backup.
  BERTH_CHANGES_UNTRACKED: entry(
    'FAILED_PRECONDITION',
    'what changed between the snapshots {base} and {target} was not tracked: their image or one of the snapshots ' +
      'from the one to the other has no valid object map with fast-diff',
    'back the whole snapshot up; for those to come, give the image the features object-map and fast-diff, and repair ' +
      'what is marked invalid with rbd object-map rebuild',
  ),
} as const;
