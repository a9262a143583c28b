/** The part of the catalogue that names what Ceph itself hides behind EINVAL, EBUSY, EMLINK or silence. */
import { entry } from './catalogue-entry.js';

export const causes = {
  BERTH_CREDENTIALS_INVALID: entry(
    'UNAUTHENTICATED',
    'user {user} of cluster {cluster} cannot log in: {why}',
    'correct userID and userKey in the Secret, or id and key file in clusters.yaml',
  ),
  BERTH_VOLUME_USER_FAILED: entry(
    'UNAVAILABLE',
    'the Ceph user of volume {volume} cannot be had: {why}',
    'the call may be repeated; see "Users of single volumes" in docs/ceph-users.md',
  ),
  BERTH_IMAGE_LOCKED: entry(
    'FAILED_PRECONDITION',
    'image {image} carries the advisory lock {locks}',
    'make sure that its owner does not use the image any more, then {breaking}',
  ),
  BERTH_IMAGE_EXCLUSIVE: entry(
    'FAILED_PRECONDITION',
    'image {image} has an exclusive lock that its client gives to nobody',
    'detach the volume first, or map it without the option exclusive; then try again',
  ),
  BERTH_IMAGE_IN_GROUP: entry(
    'FAILED_PRECONDITION',
    'image {image} is in the RBD group {group}',
    'rbd group image rm {group} {image}, then try again',
  ),
  BERTH_POOL_UNFIT: entry(
    'INVALID_ARGUMENT',
    'pool {pool} cannot hold {what}: {why}',
    'correct pool and dataPool in the StorageClass',
  ),
} as const;
