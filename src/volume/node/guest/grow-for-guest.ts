/**
 * Growth of a volume that is left to guests. It grows here where no pod has it, else in its guest where the guest can;
 * what cannot grow now gets an error that says so.
 */
import { deviceSizeBytes } from '../../../host/device/block-device.js';
import { filesystemOfEntry, type JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Logger } from '../../../observe/log.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { Shim } from '../../../sandbox/kata/shim.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem, isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import { refuseOpenDevice } from '../filesystem/refuse-open-device.js';
import type { Mappers } from '../node-mappers.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { ShimParts } from './guest-stats.js';
import { liveTargets } from '../target/published-targets.js';

/** Needs no cluster. */
export interface GrowForGuestParts extends ShimParts {
  readonly exec: Exec;
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
  readonly log: Pick<Logger, 'debug'>;
}

/**
 * The device has the image's size already. BERTH_EXPANSION_PENDING for what grows at the next stage (ext4),
 * BERTH_GUEST_GROWTH_REFUSED for what grows only mounted (xfs), BERTH_VOLUME_IN_USE. kubelet takes FAILED_PRECONDITION
 * here for "in use, will grow offline" and starts pods all the same.
 */
export async function growForGuest(
  parts: GrowForGuestParts,
  entry: JournalEntry,
  mapping: Mapping,
  operation: NodeOperation<'expand'>,
  deadline: Deadline,
): Promise<void> {
  const { device } = mapping;
  const { volume } = entry;
  const type = filesystemOfEntry(entry);
  const { growProgram, growUnmounted } = filesystems[type];
  const target = { device, type, mountedAt: undefined } as const;
  if (!(await isSmallerThanDevice(target))) return;
  operation.step('grow filesystem');
  const size = await deviceSizeBytes(device);
  const given = Object.keys(await liveTargets(entry));
  if (given.length === 0 && growUnmounted !== undefined) {
    await refuseOpenDevice(parts, volume, mapping, deadline);
    await growFilesystem(parts.exec, target, deadline);
    return;
  }
  // Its own answer proves nothing: the filesystem tells.
  if (
    given.length > 0 &&
    (await askGuest(parts, given, device, size, deadline)) &&
    !(await isSmallerThanDevice(target))
  )
    return;
  if (growUnmounted !== undefined) throw berthError('BERTH_EXPANSION_PENDING', { volume, size });
  throw berthError('BERTH_GUEST_GROWTH_REFUSED', { volume, size, fs: type, program: growProgram });
}

async function askGuest(
  { kataRecords, shimRoots, log }: GrowForGuestParts,
  targets: readonly string[],
  device: string,
  size: bigint,
  deadline: Deadline,
): Promise<boolean> {
  for (const target of targets) {
    const sandbox = await kataRecords.sandboxOf(target);
    if (sandbox === undefined) continue;
    const said = await new Shim(sandbox, shimRoots).resize(device, size, deadline);
    if ('answer' in said) return true;
    log.debug({ device, sandbox, why: said.why }, 'the guest does not take the new size');
  }
  return false;
}
