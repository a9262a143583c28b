/** What a volume is made from, as CSI says it. */
import { berthError } from '../model/errors.js';
import type { ContentSource } from '../volume/image/volume-record.js';
import type { VolumeContentSource, VolumeContentSource__Output } from './gen/csi/v1/VolumeContentSource.js';
import { require } from './read-request.js';

/** BERTH_SOURCE_UNSUPPORTED, BERTH_FIELD_MISSING. */
export function readContentSource(source: VolumeContentSource__Output | null): ContentSource | undefined {
  if (source === null) return undefined;
  if (source.snapshot) {
    require({ 'volume_content_source.snapshot.snapshot_id': source.snapshot.snapshotId });
    return { kind: 'snapshot', id: source.snapshot.snapshotId };
  }
  if (source.volume) {
    require({ 'volume_content_source.volume.volume_id': source.volume.volumeId });
    return { kind: 'volume', id: source.volume.volumeId };
  }
  throw berthError('BERTH_SOURCE_UNSUPPORTED', {});
}

export const contentSourceMessage = ({ kind, id }: ContentSource): VolumeContentSource =>
  kind === 'snapshot' ? { snapshot: { snapshotId: id } } : { volume: { volumeId: id } };
