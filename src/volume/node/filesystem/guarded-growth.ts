/**
 * Growth of a filesystem that nobody has mounted, behind a snapshot of its image: whatever ends it (the tool, the
 * driver, the node), the filesystem is as before or grown, and every node can see to that.
 */
import { randomUUID } from 'node:crypto';
import { readSuperblock } from '../../../host/filesystem/superblock.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem } from '../../../host/filesystem/resize-filesystem.js';
import { deviceSizeBytes } from '../../../host/device/block-device.js';
import type { Exec } from '../../../host/process/exec.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import type { Operation } from '../../operation/operations.js';
import { GROWTH_SNAPSHOT, parseGrowth, type GrowthRecord } from '../../image/growth-record.js';
import type { FormerClients } from '../../../rbd/former-clients.js';
import { removeGrowthSnapshot, writeGrowth } from './write-growth.js';

/**
 * A growth that is cut short so often, by other things than a driver that was told to stop, is not begun again for the
 * same size: its volume is used as it is.
 */
const MOST_TRIES = 3;

export interface GuardedGrowthParts {
  /** For the record. */
  readonly self: { readonly node: string };
  readonly exec: Exec;
  readonly formerClients: Pick<FormerClients, 'note'>;
  readonly rbd: Pick<RbdPort, 'compareAndSet' | 'createSnapshot' | 'removeSnapshot'>;
  readonly log: Pick<Logger, 'warn'>;
}

/** Beside the step of the operation itself, in which it is checked. */
export type GrowthOperation = Operation<
  'record growth' | 'take growth snapshot' | 'resize unmounted' | 'record grown' | 'remove growth snapshot'
>;

export interface GuardedGrowth {
  /** With its metadata as they are now: nobody else writes them, for this node has the holder record. */
  readonly found: FoundVolume;
  readonly device: string;
  readonly type: FilesystemType;
}

/**
 * Grow it to its device. The record is written before the snapshot, and the snapshot before the filesystem; the record
 * says `grown` only when the filesystem was checked. BERTH_GROWTH_UNFINISHED where it was cut short, or came to
 * nothing, in between: then nobody may use the filesystem before {@link settleGrowth}. Every other error has changed
 * nothing: BERTH_GROWTH_GIVEN_UP where it was tried too often, BERTH_SHUTTING_DOWN, those of {@link growFilesystem}.
 */
export async function growGuarded(
  parts: GuardedGrowthParts,
  growth: GuardedGrowth,
  operation: GrowthOperation,
  deadline: Deadline,
): Promise<void> {
  const { device, type } = growth;
  const { volume } = growth.found;
  const size = String(await deviceSizeBytes(device));
  const before = parseGrowth(growth.found.head, volume);
  const tries = before?.size === size ? before.tries : 0;
  if (before !== undefined && tries >= MOST_TRIES) {
    const { node, since, why = 'it was cut short' } = before;
    throw berthError('BERTH_GROWTH_GIVEN_UP', { volume, size, node, since, why });
  }
  let found = growth.found;
  let record: GrowthRecord | undefined;
  const guard = async (): Promise<void> => {
    await parts.formerClients.note(found.at.access, deadline);
    if (before !== undefined) found = await removeGrowthSnapshot(parts, found, before, deadline);
    const { mounts } = await readSuperblock(device, filesystems[type], deadline);
    const since = new Date().toISOString();
    const snapshot = `${GROWTH_SNAPSHOT}${randomUUID()}`;
    record = { state: 'growing', snapshot, size, mounts, tries: tries + 1, node: parts.self.node, since };
    operation.step('record growth');
    found = await writeGrowth(parts, found, record, deadline);
    operation.step('take growth snapshot');
    await parts.rbd.createSnapshot(found.at, snapshot, deadline);
    operation.step('resize unmounted');
  };
  try {
    await growFilesystem(parts.exec, { device, type, mountedAt: undefined, guard }, deadline);
    if (record === undefined) return;
    operation.step('record grown');
    record = { ...record, state: 'grown' };
    found = await writeGrowth(parts, found, record, deadline);
  } catch (error) {
    if (record === undefined) throw error;
    // What the tool itself calls a failure will be one the next time.
    const isFinal = isBerthError(error, 'BERTH_FILESYSTEM_GROW_FAILED', 'BERTH_FILESYSTEM_DAMAGED');
    const isStop = isBerthError(error, 'BERTH_SHUTTING_DOWN');
    const why = error instanceof Error ? error.message : 'unknown';
    const known = {
      ...record,
      state: 'growing',
      tries: isFinal ? MOST_TRIES : isStop ? tries : tries + 1,
      why,
    } as const;
    await writeGrowth(parts, found, known, deadline).catch(() => undefined);
    throw berthError('BERTH_GROWTH_UNFINISHED', { volume, node: parts.self.node, why }, error);
  }
  operation.step('remove growth snapshot');
  try {
    await removeGrowthSnapshot(parts, found, record, deadline);
  } catch (error) {
    // Nobody goes back to it any more: the next stage removes it, or the delete.
    parts.log.warn({ volume, err: error }, 'the snapshot of a growth could not be removed yet');
  }
}
