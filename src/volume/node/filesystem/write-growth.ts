/** The record of a growth in the image: each change is a compare-and-set, so that nobody goes back by an old one. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { formatGrowth, GROWTH_KEY, type GrowthRecord } from '../../image/growth-record.js';

/** The volume with the record written, or removed; BERTH_RECORD_CONTENDED where it is another one by now. */
export async function writeGrowth(
  { rbd }: { readonly rbd: Pick<RbdPort, 'compareAndSet'> },
  found: FoundVolume,
  record: GrowthRecord | undefined,
  deadline: Deadline,
): Promise<FoundVolume> {
  const { at, head, volume } = found;
  const expected = head.metadata.get(GROWTH_KEY);
  const next = record === undefined ? undefined : formatGrowth(record, volume, head);
  if (!(await rbd.compareAndSet(at, head.id, GROWTH_KEY, expected, next, deadline)))
    throw berthError('BERTH_RECORD_CONTENDED', { volume, times: 1 });
  const metadata = new Map(head.metadata);
  if (next === undefined) metadata.delete(GROWTH_KEY);
  else metadata.set(GROWTH_KEY, next);
  return { ...found, head: { ...head, metadata } };
}

/** After it nothing is left of a growth that was done; of one that was undone, how often it was tried. */
export async function removeGrowthSnapshot(
  parts: { readonly rbd: Pick<RbdPort, 'compareAndSet' | 'removeSnapshot'> },
  found: FoundVolume,
  record: GrowthRecord,
  deadline: Deadline,
): Promise<FoundVolume> {
  await parts.rbd.removeSnapshot(found.at, record.snapshot, deadline);
  const rest = record.state === 'undone' ? ({ ...record, state: 'failed' } as const) : undefined;
  return writeGrowth(parts, found, rest, deadline);
}
