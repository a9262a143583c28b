/** CreateVolume: one image, named from the volume's name, so that Ceph's own "exists" makes it idempotent. */
import { DEFAULT_FILESYSTEM, type Capability, type FilesystemType } from '../../model/capability.js';
import { filesystems } from '../../host/filesystem/filesystems.js';
import { parseMkfsOptions } from '../../host/filesystem/mkfs-options.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { formatVolumeId, imageSpec } from '../../model/volume-id.js';
import type { ImageHead, ImageRef, PoolRef } from '../../rbd/port.js';
import { checkCapabilities } from '../image/capability-rules.js';
import { imageName } from '../image/image-name.js';
import { LABELS, parseParameters, words, type VolumeParameters } from '../image/parameters.js';
import { FILESYSTEM_KEY, formatProvenance } from '../image/provenance.js';
import {
  differsFrom,
  formatVolumeRecord,
  parseVolumeRecord,
  shapeOf,
  VOLUME_KEY,
  type VolumeShape,
} from '../image/volume-record.js';
import { type ControllerRoom } from './controller-room.js';
import { dataHome, type Credentials } from '../image/find-volume.js';
import { checkRange, chooseSize, satisfies, type SizeRange } from '../image/volume-size.js';

export interface CreateRequest {
  readonly name: string;
  readonly range: SizeRange | undefined;
  readonly capabilities: readonly Capability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Credentials | undefined;
}

export interface CreatedVolume {
  readonly volume: string;
  readonly sizeBytes: bigint;
}

/**
 * How often an image is made whose name was taken and is free again, before the caller is told that somebody is at it.
 */
const ATTEMPTS = 2;

interface Plan {
  readonly volume: string;
  readonly at: ImageRef;
  readonly minimum: bigint;
  readonly shape: VolumeShape;
  readonly parameters: VolumeParameters;
}

/**
 * Create the volume or return the one that is there. Nine OSD operations: librbd's create, the id, all metadata in one
 * call. BERTH_VOLUME_INCOMPATIBLE where the name is taken by another shape or size, BERTH_IMAGE_FOREIGN where the image
 * is not ours.
 */
export async function createVolume(
  room: ControllerRoom,
  request: CreateRequest,
  deadline: Deadline,
): Promise<CreatedVolume> {
  checkCapabilities(request.capabilities);
  checkRange(request.range);
  const plan = await makePlan(room, request);
  const what = { op: 'create', fingerprint: fingerprint(request) } as const;
  return room.operations.run(plan.volume, what, deadline, async (operation, deadline) => {
    operation.step('pool capacity');
    const size = chooseSize(request.range, plan.minimum);
    await room.poolCapacity.check(dataHome(plan.at, plan.shape.dataPool), size, deadline);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      operation.step('create image');
      const isNew = await createImage(room, plan, size, metadataOf(room, plan, request.name), deadline);
      if (isNew) return { volume: plan.volume, sizeBytes: size };
      const present = await reuse(room, plan, request, deadline);
      if (present !== undefined) return present;
      operation.step('clear away unfinished');
      await room.interruptedCreates.clear(plan.at, deadline);
    }
    throw berthError('BERTH_BUSY', { key: plan.volume, op: 'delete', age: 0, step: 'remove', detail: '' });
  });
}

async function makePlan(room: ControllerRoom, request: CreateRequest): Promise<Plan> {
  const parameters = parseParameters(request.parameters);
  const image = imageName(parameters.namePrefix, request.name);
  const volume = formatVolumeId({ ...parameters, image });
  const pool: PoolRef = await room.clusters.pool(parameters, 'controller', request.secrets);
  const filesystemTypes = filesystemsOf(request.capabilities, parameters.fsType);
  const minimum = filesystemTypes.map((type) => filesystems[type].minimumBytes).reduce((a, b) => (a > b ? a : b), 0n);
  // Found now rather than at the first stage, when the PVC is long bound.
  for (const type of filesystemTypes) parseMkfsOptions('parameter mkfsOptions', type, words(parameters.mkfsOptions));
  return { volume, at: { ...pool, image }, minimum, shape: shapeOf(parameters), parameters };
}

/** The filesystems that the capabilities may put on the volume. */
function filesystemsOf(
  capabilities: readonly Capability[],
  fallback: FilesystemType | undefined,
): readonly FilesystemType[] {
  return capabilities.flatMap(({ access }) =>
    access.kind === 'mount' ? [access.fsType ?? fallback ?? DEFAULT_FILESYSTEM] : [],
  );
}

/** False where the name is taken. */
async function createImage(
  room: ControllerRoom,
  plan: Plan,
  sizeBytes: bigint,
  metadata: ReadonlyMap<string, string>,
  deadline: Deadline,
): Promise<boolean> {
  const { features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool } = plan.parameters;
  const spec = { sizeBytes, features, objectSizeBytes, stripeUnitBytes, stripeCount, dataPool, metadata };
  try {
    await room.rbd.createImage(plan.at, spec, deadline);
    return true;
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_EXISTS')) return false;
    throw error;
  }
}

function metadataOf(room: ControllerRoom, plan: Plan, name: string): ReadonlyMap<string, string> {
  const record = formatVolumeRecord({
    version: 1,
    image: imageSpec(plan.at),
    name,
    created: room.now().toISOString(),
    shape: plan.shape,
  });
  return new Map([
    ...plan.parameters.labels,
    [VOLUME_KEY, record],
    [FILESYSTEM_KEY, formatProvenance({ state: 'never' }, plan.volume)],
  ]);
}

/**
 * The name is taken: by this very volume (answer the same), by another shape of it, or by an image that is not ours.
 * Undefined where there is no image by now.
 */
async function reuse(
  room: ControllerRoom,
  plan: Plan,
  request: CreateRequest,
  deadline: Deadline,
): Promise<CreatedVolume | undefined> {
  const { volume, at } = plan;
  const head = await room.rbd.head(at, deadline);
  if (head === undefined) return undefined;
  const record = parseVolumeRecord(head.metadata, volume);
  if (record === undefined) await refuseForeign(room, plan, head, deadline);
  if (!satisfies(head.sizeBytes, request.range)) {
    const want = request.range === undefined ? 'any' : `${request.range.required} to ${request.range.limit || 'any'}`;
    throw berthError('BERTH_VOLUME_INCOMPATIBLE', { volume, what: 'size', have: head.sizeBytes, want });
  }
  if (record === undefined) {
    const isOurs = await finishInterrupted(room, plan, head, request.name, deadline);
    // Somebody else finished it first, perhaps in another shape.
    return isOurs ? { volume, sizeBytes: head.sizeBytes } : reuse(room, plan, request, deadline);
  }
  const difference = differsFrom(record, request.name, plan.shape);
  if (difference !== undefined) throw berthError('BERTH_VOLUME_INCOMPATIBLE', { volume, ...difference });
  return { volume, sizeBytes: head.sizeBytes };
}

/**
 * What a create that was cut short may have left: nothing at all, or the first entries of {@link finishInterrupted}.
 */
const isLeftByUs =
  (volume: string) =>
  ([key, value]: readonly [string, string]): boolean =>
    LABELS.includes(key) || (key === FILESYSTEM_KEY && value === formatProvenance({ state: 'never' }, volume));

/** Features that Ceph adds, or leaves out, by itself. */
const IMPLIED = ['data-pool', 'striping'];
const chosen = (features: readonly string[]): string =>
  features
    .filter((one) => !IMPLIED.includes(one))
    .sort()
    .join(',');

/**
 * An image of our name without our record: a create that died between its two steps, or somebody else's. Ceph is asked
 * whether anything was ever written to it: an image without a single byte is safe to take, and one with data never is.
 */
async function refuseForeign(room: ControllerRoom, plan: Plan, head: ImageHead, deadline: Deadline): Promise<void> {
  const image = plan.at.image;
  const foreign = (why: string): Error => berthError('BERTH_IMAGE_FOREIGN', { image, why });
  if (![...head.metadata].every(isLeftByUs(plan.volume))) throw foreign('it has metadata of somebody else');
  const have = chosen(head.features);
  if (chosen(plan.shape.features) !== have) throw foreign(`it has the features ${have}`);
  const { parent, snapshots, watchers } = await room.rbd.inspect(plan.at, deadline);
  if (parent !== undefined || snapshots.length > 0) throw foreign('it has a parent or snapshots');
  if (watchers.length > 0) throw foreign(`it is open at ${watchers.map((one) => one.address).join(', ')}`);
  if (!(await room.rbd.isEmpty(plan.at, deadline))) throw foreign('it holds data');
}

/**
 * Each entry by compare-and-set, so that nothing is overwritten that another controller wrote meanwhile; the record
 * last, so that an image which has it lacks nothing. False where another controller wrote the record first.
 */
async function finishInterrupted(
  room: ControllerRoom,
  plan: Plan,
  head: ImageHead,
  name: string,
  deadline: Deadline,
): Promise<boolean> {
  room.log.warn(
    { volume: plan.volume },
    'completing a create that was cut short: the image was empty and had no record',
  );
  const entries = metadataOf(room, plan, name);
  if (plan.parameters.labels.size > 0) {
    await room.rbd.setMetadata(plan.at, head.id, plan.parameters.labels, deadline);
  }
  await room.rbd.compareAndSet(plan.at, head.id, FILESYSTEM_KEY, undefined, entries.get(FILESYSTEM_KEY), deadline);
  return room.rbd.compareAndSet(plan.at, head.id, VOLUME_KEY, undefined, entries.get(VOLUME_KEY), deadline);
}

/** Two requests are the same where all but the secrets is. */
const fingerprint = ({ name, range, capabilities, parameters }: CreateRequest): string =>
  JSON.stringify([
    name,
    range && [String(range.required), String(range.limit)],
    capabilities,
    // By name: a retry may send the same map in another order.
    Object.keys(parameters)
      .sort()
      .map((name) => [name, parameters[name]]),
  ]);
