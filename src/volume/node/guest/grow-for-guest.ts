/**
 * Growth of a volume that is left to guests. It grows here where no pod has it, else in its guest where the guest can;
 * what cannot grow now gets an error that says so.
 */
import { deviceSizeBytes } from '../../../host/device/block-device.js';
import { filesystemOfEntry, type JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Journal } from '../../../journal/journal.js';
import type { Logger } from '../../../observe/log.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import { Shim } from '../../../sandbox/kata/shim.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { isSmallerThanDevice } from '../../../host/filesystem/resize-filesystem.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { refuseHalfGrown } from '../../image/growth-record.js';
import {
  growGuarded,
  type GrowthOperation,
  type GuardedGrowth,
  type GuardedGrowthParts,
} from '../filesystem/guarded-growth.js';
import { refuseOpenDevice } from '../filesystem/refuse-open-device.js';
import type { Mappers } from '../node-mappers.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { ShimParts } from './guest-stats.js';
import { liveTargets } from '../target/published-targets.js';

export interface GrowForGuestParts extends ShimParts, GuardedGrowthParts {
  readonly journal: Pick<Journal, 'write'>;
  /** To tell the process that serves a device from those that use it. */
  readonly mappers: Pick<Mappers, 'named'>;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

export interface GuestsVolume {
  readonly entry: JournalEntry;
  readonly mapping: Mapping;
  readonly found: FoundVolume;
}

/**
 * The device has the image's size already. BERTH_EXPANSION_PENDING for what grows at the next stage (ext4),
 * BERTH_GUEST_GROWTH_REFUSED for what grows only mounted (xfs), BERTH_VOLUME_IN_USE. kubelet takes FAILED_PRECONDITION
 * here for "in use, will grow offline" and starts pods all the same.
 */
export async function growForGuest(
  parts: GrowForGuestParts,
  { entry, mapping, found }: GuestsVolume,
  operation: NodeOperation<'expand'>,
  deadline: Deadline,
): Promise<void> {
  const { device } = mapping;
  const { volume } = entry;
  const type = filesystemOfEntry(entry);
  const { growProgram, growUnmounted } = filesystems[type];
  refuseHalfGrown(found, 'the next stage goes back to what it was');
  const target = { device, type, mountedAt: undefined } as const;
  if (!(await isSmallerThanDevice(target))) return;
  operation.step('grow filesystem');
  const size = await deviceSizeBytes(device);
  const given = Object.keys(await liveTargets(entry));
  if (given.length === 0 && growUnmounted !== undefined) {
    await refuseOpenDevice(parts, volume, mapping, deadline);
    return growUnused(parts, entry, { found, device, type }, operation, deadline);
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

/**
 * Half grown it must be given to nobody, also not after a crash: meanwhile the journal says that it is being staged,
 * and the stage that comes settles it.
 */
async function growUnused(
  parts: GrowForGuestParts,
  entry: JournalEntry,
  growth: GuardedGrowth,
  operation: GrowthOperation,
  deadline: Deadline,
): Promise<void> {
  await parts.journal.write({ ...entry, state: 'staging' });
  try {
    await growGuarded(parts, growth, operation, deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_GROWTH_UNFINISHED')) await parts.journal.write(entry);
    throw error;
  }
  await parts.journal.write(entry);
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
