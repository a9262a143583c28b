/** The part of the catalogue that is about virtual machines: who takes a volume, and what the host then does not do. */
import { entry } from './catalogue-entry.js';

export const sandboxes = {
  BERTH_SANDBOX_UNKNOWN: entry(
    'FAILED_PRECONDITION',
    'RuntimeClass {runtimeClass} asks for the sandbox {value}',
    'set its annotation berth.dev/sandbox to kata or host, or remove it',
  ),
  BERTH_POD_CHANGED: entry(
    'ABORTED',
    'pod {pod} was to have uid {want}, yet {have} was found',
    'the call may be repeated; the pod was replaced meanwhile',
  ),
  BERTH_KATA_RECORD_FAILED: entry(
    'INTERNAL',
    'the Kata record of {path} could not be written or removed in {directory}: {why}',
    'nothing was handed over; make room in /run and check that it is writable, then try again',
  ),
  BERTH_KATA_ONE_POD: entry(
    'FAILED_PRECONDITION',
    'volume {volume} is with the pod at {path}, and one virtual machine has it alone',
    'unpublish it there first; ReadWriteOncePod keeps a second pod from being scheduled',
  ),
  BERTH_HOST_MOUNT_REFUSED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} was written by the kernel of a guest and is not mounted by the kernel of this node',
    'run its pod under Kata, or set allowHostMount: "true" where that guest is trusted',
  ),
  BERTH_EXPANSION_PENDING: entry(
    'FAILED_PRECONDITION',
    'volume {volume} has {size} bytes, its filesystem grows to that offline, and it is in a virtual machine',
    'nothing is lost; it grows when the volume is staged again: restart its pod when that suits',
  ),
  BERTH_GUEST_GROWTH_REFUSED: entry(
    'FAILED_PRECONDITION',
    'volume {volume} has {size} bytes, its {fs} has not: {fs} grows only where it is mounted, in a virtual machine',
    'restart its pod, whose device is then as large, and run {program} there; or set allowHostMount: "true"',
  ),
} as const;
