/** The part of the catalogue that is about hyperd and FlexVolume. */
import { entry } from './catalogue-entry.js';

export const handOvers = {
  BERTH_GUEST_USER_REFUSED: entry(
    'FAILED_PRECONDITION',
    'user {user} would be shown to the virtual machine of {volume}',
    "give users.hyperd of clusters.yaml, or the pod's secret, a user with profile rbd for this pool alone",
  ),
  BERTH_MONITOR_UNUSABLE: entry(
    'FAILED_PRECONDITION',
    'cluster {cluster} has no monitor that hyperd could reach: {why}',
    'list an address of the first messenger (port 6789) in clusters.yaml',
  ),
  BERTH_HAND_OVER_FAILED: entry(
    'INTERNAL',
    'the hand-over file in {directory} could not be written or removed: {why}',
    'nothing was handed over; make room on that disk and check that it is writable, then try again',
  ),
  BERTH_FLEXVOLUME_IMAGE_REFUSED: entry(
    'INVALID_ARGUMENT',
    'no pod may name image {image} of pool {pool} of cluster {cluster} by FlexVolume: {why}',
    'the administrator writes, in clusters.yaml, {todo}; nothing has to be restarted',
  ),
  BERTH_FLEXVOLUME_HOST_MOUNT_REFUSED: entry(
    'INVALID_ARGUMENT',
    'no pod may ask for allowHostMount of {volume} by FlexVolume: its pool does not allow it',
    'leave the option out, or the administrator writes, in clusters.yaml, ' +
      'allowHostMount: true into flexVolume of pool {pool} of cluster {cluster}',
  ),
  BERTH_FLEXVOLUME_CSI_VOLUME: entry(
    'FAILED_PRECONDITION',
    'volume {volume} was made by CSI as {name}, and no pod may name it by FlexVolume',
    'use its PersistentVolume: give the pod the PersistentVolumeClaim that is bound to {name}',
  ),
  BERTH_SERVICE_NOT_HERE: entry(
    'FAILED_PRECONDITION',
    '{call} needs the {service} service, which this process does not serve',
    'add it to its --services, or let the machine that attaches run a Berth that serves it',
  ),
} as const;
