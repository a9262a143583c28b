/** By which attaches a volume is anybody's, as its holder record says now. */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import type { Deadline } from '../../../model/deadline.js';
import { findVolume, type Credentials, type ImageLookup } from '../../image/find-volume.js';

/** None for a volume that is gone. Two OSD operations. BERTH_RECORD_UNREADABLE. */
export async function grantsOf(
  lookup: ImageLookup,
  { volume, secrets }: { readonly volume: string; readonly secrets: Credentials | undefined },
  deadline: Deadline,
): Promise<ReadonlySet<string | undefined>> {
  const found = await findVolume(lookup, volume, 'controller', secrets, deadline);
  const record = found && readHolderRecord(found.head, volume);
  return new Set(record?.holders.map(({ grant }) => grant));
}
