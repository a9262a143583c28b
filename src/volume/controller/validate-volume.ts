/** ValidateVolumeCapabilities: does all that is asked hold for this very volume, and if not, why. */
import type { Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { formatVolumeId } from '../../model/volume-id.js';
import type { ImageHead } from '../../rbd/port.js';
import { checkCapabilities, whyNotUse } from '../image/capability-rules.js';
import { parseParameters } from '../image/parameters.js';
import { parseProvenance } from '../image/provenance.js';
import { differsFrom, parseVolumeRecord, shapeOf } from '../image/volume-record.js';
import { mustFindVolume, type Credentials, type ImageLookup } from '../image/find-volume.js';

/**
 * Undefined where every capability and parameter holds for this very volume,
 * else the reason why not. BERTH_VOLUME_NOT_FOUND.
 */
export async function whyNotValid(
  lookup: ImageLookup,
  request: {
    readonly volume: string;
    readonly capabilities: readonly Capability[];
    readonly parameters: Readonly<Record<string, string>>;
    readonly secrets: Credentials | undefined;
  },
  deadline: Deadline,
): Promise<string | undefined> {
  const { volume, capabilities, parameters, secrets } = request;
  if (capabilities.length === 0) throw berthError('BERTH_FIELD_MISSING', { field: 'volume_capabilities' });
  const { head, id } = await mustFindVolume(lookup, volume, 'controller', secrets, deadline);
  const unsupported = capabilities.map(whyNotUse).find((why) => why !== undefined);
  if (unsupported !== undefined) return unsupported;
  checkCapabilities(capabilities);
  const record = parseVolumeRecord(head.metadata, volume);
  if (Object.keys(parameters).length > 0) {
    if (record === undefined) return 'Berth did not make this image, its parameters are not known';
    const wanted = parseParameters(parameters);
    const difference = differsFrom(record, record.name, shapeOf(wanted));
    if (difference !== undefined) return `${difference.what} is ${difference.have}, not ${difference.want}`;
    const home = formatVolumeId({ ...wanted, image: id.image });
    if (volume !== home) return `it is not in ${home.slice(0, -id.image.length - 1)}`;
  }
  return whyNotFilesystem(head, volume, capabilities);
}

function whyNotFilesystem(head: ImageHead, volume: string, capabilities: readonly Capability[]): string | undefined {
  const provenance = parseProvenance(head, volume);
  for (const { access } of capabilities) {
    if (access.kind !== 'mount') continue;
    if ('type' in provenance && access.fsType !== undefined && provenance.type !== access.fsType) {
      return `it holds ${provenance.type}, not ${access.fsType}`;
    }
  }
  return undefined;
}
