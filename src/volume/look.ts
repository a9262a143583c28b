/** What can be asked of volumes without changing them: get, list, capacity, validate. */
import { HOLDER_KEY, parseHolderRecord } from '../attachment/record.js';
import type { Capability } from '../model/capability.js';
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import { formatVolumeId } from '../model/volume-id.js';
import type { ImageHead, PoolRef } from '../rbd/port.js';
import { checkCapabilities, whyNotCapability } from './capability-rules.js';
import { conditionOf, type Condition } from './condition.js';
import { parseParameters } from './parameters.js';
import { parseProvenance } from './provenance.js';
import { differsFrom, parseVolumeRecord, shapeOf } from './record.js';
import { dataHome, mustFindVolume, type ControllerRoom, type Credentials } from './room.js';

export interface SeenVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
  readonly publishedNodes: readonly string[];
  readonly condition: Condition;
}

/** Also looks who has it open, which opens the image for a moment. */
export async function getVolume(room: ControllerRoom, volume: string, deadline: Deadline): Promise<SeenVolume> {
  const { head, at } = await mustFindVolume(room, volume, 'controller', undefined, deadline);
  const record = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  const [{ watchers }, { instance }] = await Promise.all([
    room.rbd.inspect(at, deadline),
    room.rbd.identify(at.access, deadline),
  ]);
  return {
    volume,
    sizeBytes: head.sizeBytes,
    publishedNodes: record?.holders.map((one) => one.node) ?? [],
    condition: conditionOf(record, watchers, instance),
  };
}

/** Bytes that can still be written: in the pool that the parameters name, or in all of ours. */
export async function availableCapacity(
  room: ControllerRoom,
  parameters: Readonly<Record<string, string>>,
  deadline: Deadline,
): Promise<{ readonly available: bigint; readonly largest: bigint | undefined }> {
  const wanted = Object.keys(parameters).length > 0 ? parseParameters(parameters) : undefined;
  const places =
    wanted === undefined
      ? distinctPools(await room.clusters.pools('controller'))
      : [dataHome(await room.clusters.pool(wanted, 'controller'), wanted.dataPool)];
  const stats = await Promise.all(places.map((place) => room.capacity.stats(place, deadline)));
  const available = stats.reduce((sum, one) => sum + (one.availableBytes ?? 0n), 0n);
  const most = stats.flatMap((one) => (one.availableBytes === undefined ? [] : [one.availableBytes + one.storedBytes]));
  return {
    available,
    largest: most.reduce<bigint | undefined>((a, b) => (a === undefined || b > a ? b : a), undefined),
  };
}

/** Namespaces share their pool's space: count it once. */
const distinctPools = (places: readonly PoolRef[]): readonly PoolRef[] => [
  ...new Map(places.map((place) => [`${place.access.cluster}/${place.pool}`, place])).values(),
];

/** Undefined where every capability and parameter holds for this very volume, else the reason why not. VOLUME_NOT_FOUND. */
export async function whyNotValid(
  room: ControllerRoom,
  request: {
    readonly volume: string;
    readonly capabilities: readonly Capability[];
    readonly parameters: Readonly<Record<string, string>>;
    readonly secrets: Credentials | undefined;
  },
  deadline: Deadline,
): Promise<string | undefined> {
  const { volume, capabilities, parameters, secrets } = request;
  if (capabilities.length === 0) throw fail('FIELD_MISSING', { field: 'volume_capabilities' });
  const { head, id } = await mustFindVolume(room, volume, 'controller', secrets, deadline);
  const unsupported = capabilities.map(whyNotCapability).find((why) => why !== undefined);
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
  const provenance = parseProvenance(head.metadata, volume);
  for (const { access } of capabilities) {
    if (access.kind !== 'mount') continue;
    if ('type' in provenance && access.fsType !== undefined && provenance.type !== access.fsType) {
      return `it holds ${provenance.type}, not ${access.fsType}`;
    }
  }
  return undefined;
}
