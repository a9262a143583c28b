/** Which filesystem a volume has or will get: the one that the caller asks for, else its image's, else the default. */
import { DEFAULT_FILESYSTEM, type FilesystemType } from '../../model/capability.js';
import type { FoundVolume } from './find-volume.js';
import { parseProvenance } from './provenance.js';
import { parseVolumeRecord } from './volume-record.js';

/**
 * The filesystem that is there, or that an interrupted mkfs began,
 * goes before the one that the volume was made for. BERTH_RECORD_UNREADABLE.
 * @param asked undefined where the caller leaves it to the volume
 */
export function filesystemTypeOf(
  asked: FilesystemType | undefined,
  { head, volume }: Pick<FoundVolume, 'head' | 'volume'>,
): FilesystemType {
  if (asked !== undefined) return asked;
  const provenance = parseProvenance(head, volume);
  if (provenance.state === 'formatted' || provenance.state === 'formatting') return provenance.type;
  return parseVolumeRecord(head.metadata, volume)?.shape.fsType ?? DEFAULT_FILESYSTEM;
}
