/** A staged filesystem: formatted by provenance, checked, grown, and mounted at the staging path unless it is left to a guest. */
import { isMountedHere, type JournalEntry } from '../journal/entry.js';
import type { Capability } from '../model/capability.js';
import type { Deadline } from '../model/deadline.js';
import type { Mapping } from '../rbd/mapping/mapper.js';
import { prepareFilesystem } from './format.js';
import { growIfSmaller, isSmaller } from './grow.js';
import { refuseHeldDevice } from './held-device.js';
import type { NodeOperation, NodeRoom } from './node-room.js';
import { words } from './parameters.js';
import type { VolumeRecord } from './record.js';
import type { FoundVolume } from './room.js';
import { isMountedFrom, mountStaged, unmountStaged } from './staging-mount.js';

export interface FilesystemStaging {
  readonly request: { readonly readOnly: boolean; readonly stagingPath: string; readonly capability: Capability };
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly entry: JournalEntry;
}

/** Errors of format, growth and mount. VOLUME_IN_USE where a virtual machine of before still has the device. */
export async function mountDevice(
  room: NodeRoom,
  { request, found, record, entry }: FilesystemStaging,
  mapping: Mapping,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { device } = mapping;
  const type = entry.fsType === 'xfs' ? 'xfs' : 'ext4';
  const { readOnly, stagingPath, capability } = request;
  const forGuest = !isMountedHere(entry);
  const isMounted = await isMountedFrom(stagingPath, device);
  if (!forGuest && isMounted) return;
  if (isMounted) {
    operation.step('unmount for guest');
    await unmountStaged(room, stagingPath, device, deadline);
  }
  // The mapping may be an old one of a lost journal, and a virtual machine still be at work on it.
  if (entry.guest !== undefined) await refuseHeldDevice(room, entry.volume, mapping, deadline);
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const preparation = { found, device, type, readOnly, mkfsOptions, forGuest } as const;
  const isNew = await prepareFilesystem(room, preparation, operation, deadline);
  const mayGrow = !readOnly && !isNew;
  if (mayGrow) await growIfSmaller(room, { device, type, mountedAt: undefined }, operation, deadline);
  if (forGuest && !(await mustMountToGrow(entry, device, mayGrow))) return;
  operation.step('mount');
  const flags = capability.access.kind === 'mount' ? capability.access.mountFlags : [];
  await mountStaged(room, { device, stagingPath, type, flags, readOnly }, deadline);
  if (mayGrow) await growIfSmaller(room, { device, type, mountedAt: stagingPath }, operation, deadline);
  if (!forGuest) return;
  operation.step('unmount for guest');
  await unmountStaged(room, stagingPath, device, deadline);
}

/** An xfs of a guest grows while it is mounted here for a moment, where this node's kernel may touch it at all. */
async function mustMountToGrow({ fsType, guest }: JournalEntry, device: string, mayGrow: boolean): Promise<boolean> {
  if (!mayGrow || fsType !== 'xfs' || guest === undefined || (guest.written && !guest.allowHostMount)) return false;
  return isSmaller({ device, type: fsType, mountedAt: undefined });
}
