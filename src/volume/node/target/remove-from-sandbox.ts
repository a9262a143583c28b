/** What a sandbox was given of a volume goes first, so that no runtime begins with a volume that is about to leave. */
import type { JournalTarget } from '../../../journal/entry.js';
import { removeRecords } from '../../../sandbox/kata/direct-volume.js';
import type { KataRecords } from '../../../sandbox/kata/kata-records.js';

export interface GivenTarget {
  readonly volume: string;
  /** Resolved. */
  readonly path: string;
  /** Other spellings of it, under which a record may stand as well. */
  readonly askedPaths: readonly string[];
  /** Of the journal; undefined where nobody wrote the target down: then it may be a guest's. */
  readonly target: JournalTarget | undefined;
}

export async function removeFromSandbox(
  kataRecords: KataRecords,
  { volume, path, askedPaths, target }: GivenTarget,
  step: (name: 'remove kata record') => void,
): Promise<void> {
  if (target !== undefined && target.sandbox !== 'kata') return;
  for (const asked of new Set(askedPaths)) await removeRecords(kataRecords, volume, { resolved: path, asked }, step);
}
