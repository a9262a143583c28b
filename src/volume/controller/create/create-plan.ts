/** What a CreateVolume asks for, worked out before Ceph is asked anything: the image, its shape, its metadata. */
import type { Installation } from '../../../attachment/node-identity.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { parseMkfsOptions } from '../../../host/filesystem/mkfs/mkfs-options.js';
import { DEFAULT_FILESYSTEM, type Capability, type FilesystemType } from '../../../model/capability.js';
import { berthError } from '../../../model/errors.js';
import { formatVolumeId, subjectOf, type ImageIdentity } from '../../../model/volume-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageRef } from '../../../rbd/port.js';
import type { Credentials } from '../../image/find-volume.js';
import { imageName } from '../../image/image-name.js';
import { parseParameters, words, type VolumeParameters } from '../../image/parameters.js';
import { FILESYSTEM_KEY, formatProvenance } from '../../image/provenance.js';
import {
  formatVolumeRecord,
  shapeOf,
  VOLUME_KEY,
  type ContentSource,
  type VolumeShape,
} from '../../image/volume-record.js';
import { satisfies, type SizeRange } from '../../image/volume-size.js';

export interface CreateRequest {
  readonly name: string;
  readonly range: SizeRange | undefined;
  readonly capabilities: readonly Capability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Credentials | undefined;
  /** Undefined for a volume that begins empty. */
  readonly source?: ContentSource | undefined;
}

export interface PlanParts {
  readonly clusters: Pick<Clusters, 'pool'>;
  readonly installation: Pick<Installation, 'id'>;
}

export interface CreatePlan {
  /** As the orchestrator named it. */
  readonly name: string;
  /** The handle. */
  readonly volume: string;
  readonly at: ImageRef;
  /** That the capabilities may put on it; none for a raw device. */
  readonly types: readonly FilesystemType[];
  /** What the filesystems need at least, in bytes; 0 for a raw device. */
  readonly minimum: bigint;
  readonly range: SizeRange | undefined;
  readonly shape: VolumeShape;
  readonly parameters: VolumeParameters;
  readonly source: ContentSource | undefined;
  readonly secrets: Credentials | undefined;
  /** For whose claim it is; undefined where nobody can tell. */
  readonly installation: string | undefined;
}

/** Errors of {@link parseParameters}, of the clusters file, and of the options for mkfs. */
export async function planCreate(
  { clusters, installation: { id } }: PlanParts,
  request: CreateRequest,
): Promise<CreatePlan> {
  const { name, range, capabilities } = request;
  const parameters = parseParameters(request.parameters);
  const image = imageName(parameters.namePrefix, name);
  const volume = formatVolumeId({ ...parameters, image });
  const pool = await clusters.pool(parameters, 'controller', request.secrets);
  const types = filesystemsFor(capabilities, parameters.fsType);
  const minimum = types.map((type) => filesystems[type].smallestVolume).reduce((a, b) => (a > b ? a : b), 0n);
  // Found now rather than at the first stage, when the PVC is long bound.
  for (const type of types) parseMkfsOptions('parameter mkfsOptions', type, words(parameters.mkfsOptions));
  const { source, secrets } = request;
  const installation = id === '' ? undefined : id;
  const wanted = { name, shape: shapeOf(parameters), source, installation };
  return { ...wanted, volume, at: { ...pool, image }, types, minimum, range, parameters, secrets };
}

/** The filesystems that the capabilities may put on the volume. */
function filesystemsFor(
  capabilities: readonly Capability[],
  fallback: FilesystemType | undefined,
): readonly FilesystemType[] {
  const types = capabilities.flatMap(({ access }) =>
    access.kind === 'mount' ? [access.fsType ?? fallback ?? DEFAULT_FILESYSTEM] : [],
  );
  return [...new Set(types)];
}

/**
 * All metadata of a new image: labels, the volume's record, and that it was never formatted.
 * @param own NEW_IMAGE (new-image.ts) where there is no image yet
 */
export function metadataOf(
  { name, volume, shape, parameters, installation }: CreatePlan,
  own: ImageIdentity,
  created: Date,
): ReadonlyMap<string, string> {
  const record = formatVolumeRecord({
    version: 1,
    ...subjectOf(volume, own),
    name,
    created: created.toISOString(),
    shape,
    installation,
  });
  return new Map([
    ...parameters.labels,
    [VOLUME_KEY, record],
    [FILESYSTEM_KEY, formatProvenance({ state: 'never' }, volume, own)],
  ]);
}

/** Two requests are the same where all but the secrets is. */
export const fingerprintOf = ({ name, range, capabilities, parameters, source }: CreateRequest): string =>
  JSON.stringify([
    name,
    range && [String(range.required), String(range.limit)],
    capabilities,
    // By name: a retry may send the same map in another order.
    Object.keys(parameters)
      .sort()
      .map((key) => [key, parameters[key]]),
    source && [source.kind, source.id],
  ]);

/** What a CreateVolume answers. */
export interface CreatedVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
}

/** BERTH_VOLUME_INCOMPATIBLE where the volume that is there has another size than the range allows. */
export function refuseOtherSize(volume: string, have: bigint, range: SizeRange | undefined): void {
  if (satisfies(have, range)) return;
  const want = range === undefined ? 'any' : `${range.required} to ${range.limit || 'any'}`;
  throw berthError('BERTH_VOLUME_INCOMPATIBLE', { volume, what: 'size', have, want });
}
