/** The catalogue of everything Berth can refuse or fail: a stable code, the gRPC status, a sentence, and what to do. */
import { entry } from './catalogue-entry.js';
import { existence } from './catalogue-existence.js';
import { causes } from './catalogue-causes.js';
import { filesystemErrors } from './catalogue-filesystems.js';
import { groups } from './catalogue-groups.js';
import { snapshots } from './catalogue-snapshots.js';
import { sandboxes } from './catalogue-sandboxes.js';
import { growth } from './catalogue-growth.js';
import { handOvers } from './catalogue-hand-over.js';
import { kubernetes } from './catalogue-kube.js';
import { machine } from './catalogue-machine.js';

export type { StatusName } from './catalogue-entry.js';

/** Codes are never reused or renamed: runbooks and alerts match on them. */
export const catalogue = {
  // -- what the caller sent
  BERTH_FIELD_MISSING: entry('INVALID_ARGUMENT', '{field} is required', 'the caller must send it (CSI 1.12)'),
  BERTH_FIELD_INVALID: entry('INVALID_ARGUMENT', '{field}: {why}', 'correct the request'),
  BERTH_PARAMETER_UNKNOWN: entry(
    'INVALID_ARGUMENT',
    'parameter {name} is not known',
    'correct the StorageClass; known: {known}',
  ),
  BERTH_PARAMETER_INVALID: entry('INVALID_ARGUMENT', 'parameter {name}={value}: {why}', 'correct the StorageClass'),
  BERTH_MUTABLE_PARAMETER_UNKNOWN: entry(
    'INVALID_ARGUMENT',
    'mutable parameter {name} is not known',
    'correct the VolumeAttributesClass',
  ),
  BERTH_CAPABILITY_UNSUPPORTED: entry(
    'INVALID_ARGUMENT',
    'volume capability not supported: {why}',
    'use ReadWriteOnce, ReadWriteOncePod or ReadOnlyMany, or ReadWriteMany with volumeMode Block',
  ),
  BERTH_SOURCE_UNSUPPORTED: entry(
    'INVALID_ARGUMENT',
    'the volume content source is neither a snapshot nor a volume',
    'name a VolumeSnapshot or a PersistentVolumeClaim as dataSource',
  ),
  BERTH_SOURCE_NOT_FOUND: entry(
    'NOT_FOUND',
    'volume content source {source} does not exist',
    'check the PVC dataSource',
  ),
  BERTH_SIZE_OUT_OF_RANGE: entry('OUT_OF_RANGE', 'size {size}: {why}', 'ask for a size inside the range'),
  BERTH_SHRINK_REFUSED: entry(
    'OUT_OF_RANGE',
    'volume {volume} has {size} bytes and cannot shrink to the limit {limit}',
    'ask for at least its present size',
  ),
  BERTH_TOKEN_INVALID: entry('ABORTED', 'starting_token {token} is not one of ours', 'list again from the start'),
  BERTH_CLUSTER_UNKNOWN: entry(
    'INVALID_ARGUMENT',
    'cluster {cluster} is not in the clusters file',
    'add it to clusters.yaml or correct clusterID',
  ),
  BERTH_POOL_NOT_OURS: entry(
    'INVALID_ARGUMENT',
    'pool {pool} is not listed for cluster {cluster}',
    'add pool and namespace to clusters.yaml or correct the StorageClass',
  ),
  BERTH_SECRETS_INVALID: entry('INVALID_ARGUMENT', 'secrets: {why}', 'a secret needs userID and userKey'),
  BERTH_CREDENTIALS_MISSING: entry(
    'INVALID_ARGUMENT',
    'no cephx user for cluster {cluster}: the request carries no secrets and clusters.yaml names no {role} user',
    'name the Secret in the StorageClass or add users.{role} to clusters.yaml',
  ),
  // -- what does or does not exist
  ...existence,
  ...snapshots,
  ...groups,
  // -- who holds a volume
  BERTH_VOLUME_HELD: entry(
    'FAILED_PRECONDITION',
    'volume {volume} is attached to node {holder} since {since}',
    'detach it there first',
  ),
  BERTH_BEYOND_ATTACH: entry(
    'FAILED_PRECONDITION',
    'volume {volume} may not be staged like that: {why}',
    'detach it and attach it as it is to be used',
  ),
  BERTH_GRANT_OUTDATED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} may not be used on node {node} by a call that comes too late: {why}',
    'nothing was written to it; the orchestrator attaches it and calls again, and if it does not, see berth trace',
  ),
  BERTH_VOLUME_IN_USE: entry(
    'FAILED_PRECONDITION',
    'volume {volume} is in use by {who}',
    'stop its users, then try again',
  ),
  BERTH_VOLUME_DELETING: entry(
    'ABORTED',
    'volume {volume} is being deleted since {since}, by the Ceph client {client}',
    'let DeleteVolume be called until it is gone; to keep the volume instead, see docs/operations.md',
  ),
  BERTH_DELETE_REFUSED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} will not be deleted: {why}',
    'remove the image by hand if that is meant',
  ),
  BERTH_UNDELETE_REFUSED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} cannot be brought back: {why}',
    'berth undelete lists those that can',
  ),
  BERTH_DETACH_UNPROVEN: entry(
    'ABORTED',
    'volume {volume} stays attached to node {node}: {why}',
    'the call may be repeated; {todo}',
  ),
  BERTH_FENCE_FAILED: entry(
    'ABORTED',
    'client {instance} was fenced, and cluster {cluster} does not show it on its blocklist',
    'the call may be repeated; see ceph osd blocklist ls',
  ),
  BERTH_RECORD_LOST: entry(
    'ABORTED',
    'node {node} does not hold volume {volume} any more: it was detached while it was staged',
    'nothing was written to it; the call may be repeated once it is attached again',
  ),
  BERTH_IMAGE_REPLACED: entry(
    'ABORTED',
    'volume {volume} is image {named} now, and this node still has image {mapped} mapped, which had that name before',
    'end its pods on this node; the next stage lets go of the old image and takes the new one',
  ),
  BERTH_NOT_STAGED: entry('FAILED_PRECONDITION', 'volume {volume} is not staged at {path}', 'stage it first'),
  BERTH_STAGING_PATH_MISSING: entry(
    'FAILED_PRECONDITION',
    'volume {volume} is to be published without a staging path',
    'stage it first and pass its staging_target_path',
  ),
  BERTH_SINGLE_WRITER: entry(
    'FAILED_PRECONDITION',
    'volume {volume} allows one pod and is published at {path}',
    'unpublish it there first',
  ),
  BERTH_READONLY_MISMATCH: entry(
    'FAILED_PRECONDITION',
    'volume {volume}: {why}',
    'use one mode for all its pods on this node',
  ),
  BERTH_NODE_FULL: entry(
    'RESOURCE_EXHAUSTED',
    'node {node} holds {count} volumes, its limit is {limit}',
    'detach volumes or raise the limit',
  ),
  BERTH_RECORD_CONTENDED: entry(
    'ABORTED',
    'the holder record of {volume} changed {times} times while it was written',
    'try again',
  ),
  BERTH_RECORD_UNREADABLE: entry(
    'FAILED_PRECONDITION',
    'record {key} of {volume} cannot be read: {why}',
    'look at it with rbd image-meta get; a newer Berth may have written it',
  ),
  // -- formatting and mounting
  BERTH_FORMAT_REFUSED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} will not be formatted: {why}',
    'check what the image holds; only an empty image that Berth made is formatted',
  ),
  BERTH_FILESYSTEM_MISMATCH: entry(
    'FAILED_PRECONDITION',
    'volume {volume} holds {have}, not {want}',
    'correct fsType, the content is left as it is',
  ),
  BERTH_FILESYSTEM_DAMAGED: entry(
    'FAILED_PRECONDITION',
    'the {fs} filesystem of {volume} is damaged: {why}',
    'repair it by hand with the tools of that filesystem, then try again',
  ),
  BERTH_CHECK_FAILED: entry(
    'UNAVAILABLE',
    'the check of the {fs} filesystem of {volume} did not come to its end: {why}',
    'this says nothing of the filesystem; the call may be repeated; see the reason, the node plugin log and ceph -s',
  ),
  BERTH_CHECK_OUT_OF_MEMORY: entry(
    'RESOURCE_EXHAUSTED',
    'the check of the {fs} filesystem of {volume} needs more than the {mib} MiB of memory that it may have',
    'raise the memory limit of the node plugin, or check the image by hand on a larger machine, then repeat the call',
  ),
  BERTH_PROBE_FAILED: entry(
    'INTERNAL',
    'what {device} holds could not be determined: {why}',
    'nothing was formatted; look at the device and try again',
  ),
  BERTH_TARGET_OCCUPIED: entry(
    'FAILED_PRECONDITION',
    '{path} is {what}',
    'clear that path; Berth only removes what it made',
  ),
  BERTH_UNMOUNT_BUSY: entry(
    'FAILED_PRECONDITION',
    '{path} cannot be unmounted, it is in use: {who}',
    'end its users, then try again',
  ),
  BERTH_DEVICE_INVALID: entry(
    'FAILED_PRECONDITION',
    '{device} cannot be used as a block device: {why}',
    'remove what is there if it is not a device, then try again',
  ),
  BERTH_DEVICE_BUSY: entry('FAILED_PRECONDITION', '{device} is busy: {who}', 'end its users, then try again'),
  ...filesystemErrors,
  ...growth,
  ...sandboxes,
  // -- mapping
  BERTH_MAPPER_UNAVAILABLE: entry(
    'FAILED_PRECONDITION',
    'mapper {mapper} cannot work on this node: {why}',
    'load the kernel module or choose another mounter',
  ),
  BERTH_FEATURES_UNSUPPORTED: entry(
    'FAILED_PRECONDITION',
    'image {image} has features that {mapper} cannot do: {features}',
    'rbd feature disable {features}, or use another mounter',
  ),
  BERTH_MAP_FAILED: entry(
    'INTERNAL',
    'image {image} could not be mapped by {mapper}: {why}',
    'see the node plugin log',
  ),
  BERTH_UNMAP_BUSY: entry('FAILED_PRECONDITION', '{device} of {image} is busy: {who}', 'end its users, then try again'),
  BERTH_DEVICE_UNSERVED: entry(
    'UNAVAILABLE',
    '{device} of {volume} cannot be unmounted: {why}, and what was written waits for a new one',
    'the node starts one when its cluster answers; the call may be repeated; only rbd-nbd unmap gives the data up',
  ),
  BERTH_UNMAP_FAILED: entry('INTERNAL', '{device} of {image} could not be unmapped: {why}', 'see the node plugin log'),
  ...handOvers,
  // -- Ceph
  ...causes,
  BERTH_CLUSTER_UNREACHABLE: entry(
    'UNAVAILABLE',
    'cluster {cluster} cannot be reached: {why}',
    'check monitors and network; the call may be repeated',
  ),
  BERTH_CLUSTER_AUTH_FAILED: entry(
    'UNAUTHENTICATED',
    'cluster {cluster} refused user {user}',
    'check userID and userKey in the Secret',
  ),
  BERTH_CEPH_DENIED: entry('PERMISSION_DENIED', 'user {user} may not {what}', 'give it the caps of docs/ceph-users.md'),
  BERTH_POOL_NOT_FOUND: entry(
    'NOT_FOUND',
    'pool {pool} does not exist in cluster {cluster}',
    'create it and run rbd pool init, or correct the pool',
  ),
  BERTH_NAMESPACE_NOT_FOUND: entry(
    'NOT_FOUND',
    'rados namespace {namespace} does not exist in pool {pool}',
    'rbd namespace create',
  ),
  BERTH_IMAGE_NOT_FOUND: entry('NOT_FOUND', 'image {image} does not exist', 'check the volume handle'),
  BERTH_IMAGE_EXISTS: entry('ALREADY_EXISTS', 'image {image} exists', 'choose another name'),
  BERTH_IMAGE_BUSY: entry('FAILED_PRECONDITION', 'image {image} is busy: {why}', 'find its watchers with rbd status'),
  BERTH_CLIENT_EVICTED: entry(
    'UNAVAILABLE',
    'this client was evicted (blocklisted) by cluster {cluster}',
    'the next call connects anew; if it stays, see ceph osd blocklist ls',
  ),
  BERTH_CEPH_FULL: entry(
    'RESOURCE_EXHAUSTED',
    'pool {pool} is full or over its quota',
    'free space or raise the quota',
  ),
  BERTH_CEPH_ERROR: entry('INTERNAL', '{what} failed: {why}', 'see the log and ceph -s'),
  BERTH_WORKER_DIED: entry(
    'UNAVAILABLE',
    'the librbd worker ended ({how}) while {what} ran',
    'the call may be repeated; the worker is started anew',
  ),
  ...kubernetes,
  // -- time and order
  BERTH_BUSY: entry(
    'ABORTED',
    '{key}: {op} is running since {age} ms at step {step}{detail}',
    'wait for it; the call may be repeated',
  ),
  BERTH_TOO_MANY_CALLS: entry(
    'ABORTED',
    '{waiting} calls to {op} wait for cluster {cluster} already',
    'the call may be repeated, after a pause',
  ),
  BERTH_DEADLINE: entry(
    'DEADLINE_EXCEEDED',
    '{what} did not end in {ms} ms',
    'the call may be repeated, it continues where it was',
  ),
  BERTH_SHUTTING_DOWN: entry('UNAVAILABLE', 'the plugin is shutting down', 'the call may be repeated'),
  BERTH_NOT_READY: entry('UNAVAILABLE', 'the plugin is not ready: {why}', 'the call may be repeated'),
  ...machine,
  BERTH_USAGE: entry('INVALID_ARGUMENT', '{where}: {why}', 'see {help}'),
  BERTH_CONFIG_INVALID: entry('FAILED_PRECONDITION', 'configuration {file}: {why}', 'correct the file'),
  BERTH_INTERNAL: entry('INTERNAL', '{what}', 'this is a bug in Berth; please report it with the log line'),
} as const;
