/** What a growth left that was cut short is undone before anybody uses the volume, on whatever node that is. */
import { filesystems } from '../../../host/filesystem/filesystems.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import type { Operation } from '../../operation/operations.js';
import { parseGrowth, type GrowthRecord } from '../../image/growth-record.js';
import type { FormerClients } from '../../../rbd/former-clients.js';
import { removeGrowthSnapshot, writeGrowth } from './write-growth.js';

export interface SettleParts {
  readonly formerClients: Pick<FormerClients, 'note'>;
  readonly rbd: Pick<RbdPort, 'compareAndSet' | 'inspect' | 'readStart' | 'removeSnapshot' | 'resize' | 'rollBack'>;
  readonly log: Pick<Logger, 'warn'>;
}

type SettlingOperation = Operation<'roll growth back' | 'record rolled back' | 'remove growth snapshot'>;

/** Every superblock that is looked at lies within it. */
const FIRST_PAGE = 4096;

/**
 * The volume as it may be used. To be called by whoever has taken the holder record, before the image is mapped; the
 * deadline stands still while the image goes back. BERTH_GROWTH_UNFINISHED for a reader, who may change nothing;
 * BERTH_GROWTH_TOUCHED where somebody has mounted the filesystem since.
 */
export async function settleGrowth(
  parts: SettleParts,
  { found, readOnly }: { readonly found: FoundVolume; readonly readOnly: boolean },
  { step }: SettlingOperation,
  deadline: Deadline,
): Promise<FoundVolume> {
  const record = parseGrowth(found.head, found.volume);
  if (record === undefined || record.state === 'failed') return found;
  if (readOnly) {
    if (record.state !== 'growing') return found;
    const why = 'it was cut short, and a reader may not undo it';
    throw berthError('BERTH_GROWTH_UNFINISHED', { volume: found.volume, node: record.node, why });
  }
  await parts.formerClients.note(found.at.access, deadline);
  let settled = { found, record };
  if (record.state === 'growing') {
    parts.log.warn({ volume: found.volume, growth: record }, 'a growth was cut short, the filesystem goes back');
    step('roll growth back');
    const kept = await rollBack(parts, found, record, deadline);
    step('record rolled back');
    const undone = { ...record, state: 'undone' } as const;
    settled = { found: await writeGrowth(parts, kept, undone, deadline), record: undone };
  }
  step('remove growth snapshot');
  return removeGrowthSnapshot(parts, settled.found, settled.record, deadline);
}

async function rollBack(
  parts: SettleParts,
  found: FoundVolume,
  record: GrowthRecord,
  deadline: Deadline,
): Promise<FoundVolume> {
  const { rbd } = parts;
  const { at, head, volume } = found;
  const { snapshot, mounts } = record;
  // Without its snapshot it never began.
  if (!(await rbd.inspect(at, deadline)).snapshots.includes(snapshot)) return found;
  const page = Buffer.from(await rbd.readStart(at, FIRST_PAGE, deadline));
  // Half grown it may have no superblock; one of another mount has data that the snapshot has not.
  const now = filesystems.ext4.parseSuperblock(page);
  if (now !== undefined && now.mounts !== mounts) throw berthError('BERTH_GROWTH_TOUCHED', { volume, snapshot });
  // The image goes back to the size of then, too. What it had since is written down before, for a kill in between.
  const size = largest(head.sizeBytes, BigInt(record.size));
  const isKnown = String(size) === record.size;
  const kept = isKnown ? found : await writeGrowth(parts, found, { ...record, size: String(size) }, deadline);
  await deadline.standStill(() => rbd.rollBack(at, snapshot, deadline));
  const { sizeBytes } = await rbd.inspect(at, deadline);
  if (sizeBytes < size) await rbd.resize(at, size, deadline);
  return { ...kept, head: { ...kept.head, sizeBytes: largest(size, sizeBytes) } };
}

const largest = (one: bigint, other: bigint): bigint => (one > other ? one : other);
