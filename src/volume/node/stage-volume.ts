/**
 * NodeStage, in the order of its acts: decide from what is known, announce it in the journal, take the holder record,
 * map, say in the record by which clients, format by provenance, mount, confirm. What fails is undone in reverse; what
 * cannot be undone stays in the journal.
 */
import { holderRecordToTake } from '../../attachment/holder-record.js';
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { Journal } from '../../journal/journal.js';
import { asksReadOnly, type Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { settleAll } from '../../model/settle-all.js';
import type { Logger } from '../../observe/log.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';
import { checkCapabilities } from '../image/capability-rules.js';
import { mustFindVolumeBeside, type FoundVolume, type ImageLookup } from '../image/find-volume.js';
import { isHalfGrown } from '../image/growth-record.js';
import { wasNeverFormatted } from '../image/provenance.js';
import { parseVolumeRecord } from '../image/volume-record.js';
import type { NodeOperation, Operations } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';
import { withUndo, type UndoStack } from '../operation/undo-stack.js';
import {
  presentUse,
  refuseStrangersBefore,
  type NodeStrangerParts,
  type PresentUseParts,
  type PresentUseQuestion,
  type WatchersBefore,
} from './client-instances.js';
import {
  inspectDevice,
  type DeviceInspection,
  type InspectionParts,
  type Preparation,
} from './filesystem/inspect-device.js';
import { mended } from './filesystem/mend-filesystem.js';
import type { SettleParts } from './filesystem/settle-growth.js';
import { mountDevice, type FilesystemStagingParts } from './filesystem/stage-filesystem.js';
import { isMountedFrom } from './filesystem/staging-mount.js';
import { recordRawUse } from './filesystem/write-provenance.js';
import { announce, announceBeside } from './stage/announce-stage.js';
import { confirmStaged } from './stage/confirm-staged.js';
import { takeAndMap, type ImageToTake } from './stage/take-and-map.js';
import { isOtherImage } from './recovery/entry-image.js';
import { leaveReplaced, refuseUnderOtherName } from './recovery/replaced-image.js';
import { entryToStage } from './journal-faults.js';
import { unmountAndUnmap } from './map-image.js';
import type { NodeHolderRecords } from './node-holder-records.js';
import type { Mappers } from './node-mappers.js';
import { grantShown, intentOf, isOfNoUse, preparationOf, type StageVolume } from './stage-decisions.js';
import type { VolumeKeys } from './users/volume-keys.js';
import { refuseFullNode, type VolumeLimit } from './volume-limit.js';

export interface StageParts extends FilesystemStagingParts, VolumeLimit, Omit<ImageLookup, 'rbd'> {
  readonly clusters: ImageLookup['clusters'] & NodeStrangerParts['clusters'];
  readonly formerClients: SettleParts['formerClients'] & NodeStrangerParts['formerClients'];
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'all' | 'note' | 'read' | 'write' | 'remove'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'take' | 'recordStaged' | 'release'>;
  readonly mappers: Pick<Mappers, 'forChoice' | 'named' | 'mappingOf' | 'findUnrecorded'>;
  readonly rbd: FilesystemStagingParts['rbd'] &
    SettleParts['rbd'] &
    NodeStrangerParts['rbd'] &
    Pick<RbdPort, 'headById' | 'identify' | 'isEmpty' | 'compareAndSet' | 'openAhead'>;
  /** By which Ceph users this node opens volumes. */
  readonly volumeKeys: Pick<VolumeKeys, 'take'>;
  readonly log: Logger;
  readonly now: () => Date;
}

/**
 * The volume is mapped on this node and, where it is a filesystem for the host, mounted at the staging path. Errors:
 * BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_HELD, BERTH_VOLUME_DELETING, BERTH_GRANT_OUTDATED (detached since),
 * BERTH_VOLUME_IN_USE (somebody whom no record explains has it open), BERTH_PUBLISHED_OTHERWISE (staged in another
 * way), BERTH_IMAGE_REPLACED (published, and the name leads to another image by now), BERTH_NODE_FULL,
 * BERTH_FORMAT_REFUSED, BERTH_FILESYSTEM_MISMATCH, and those of the mapper.
 */
export async function stageVolume(parts: StageParts, request: StageVolume, deadline: Deadline): Promise<void> {
  const checked = await checkStage(request);
  const { volume, stagingPath, capability, readOnly, right } = checked;
  const what = { op: 'stage', fingerprint: JSON.stringify([stagingPath, capability, readOnly, right]) } as const;
  await parts.operations.run(volume, what, deadline, (operation, deadline) =>
    stageWithin(parts, checked, operation, deadline),
  );
}

/** A request that may be asked for, with its path resolved and what makes it read-only in one flag. */
export async function checkStage(request: StageVolume): Promise<StageVolume> {
  checkCapabilities([request.capability]);
  checkAbsolute('staging_target_path', request.stagingPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  return { ...request, stagingPath, readOnly: asksReadOnly(request.capability, request.readOnly) };
}

/** Stage within an operation of the volume that runs already. @param request as {@link checkStage} answers it */
export async function stageWithin(
  parts: Omit<StageParts, 'operations'>,
  request: StageVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { rbd, mappers, log } = parts;
  const { volume, secrets } = request;
  operation.step('read journal');
  const read = await entryToStage(parts, volume, deadline);
  const known = read === 'damaged' ? undefined : read;
  const confirmed = known && (await confirmStaged(parts, known, request, operation, deadline));
  if (confirmed === 'staged') return;
  operation.step('look');
  const ownGrant = request.ownUser === true ? grantShown(request.right) : undefined;
  await parts.volumeKeys.take(parts.clusters, volume, ownGrant, deadline);
  const identify = ({ access }: PoolRef) => rbd.identify(access, deadline);
  const asked = { volume, role: 'node', secrets } as const;
  const [found, { fsid, instance }] = await mustFindVolumeBeside(parts, asked, identify, deadline);
  const before = await entryOfImage(parts, known, found, operation, deadline);
  const mending = confirmed === 'sick' && before !== undefined;
  holderRecordToTake(found.head, volume);
  const record = parseVolumeRecord(found.head.metadata, volume);
  const mapper = await mappers.forChoice(record?.shape.mounter ?? 'auto');
  const entry = intentOf(request, before, { found, record, fsid, mapper: mapper.name, mending, now: parts.now() });
  // librbd goes back to a snapshot only where no other client is at work.
  const goesBack = isHalfGrown(found) && !request.readOnly;
  const isLeftover = goesBack || (before !== undefined && isOfNoUse(before, request, mapper.name));
  operation.step('watchers');
  const present = { found, fsid, instance, mapper, before, isOfNoUse: isLeftover };
  const looking = settleAll(
    listWatchers(parts, request, present, deadline),
    refuseFullNode(parts, mapper, { volume, fsid }, deadline),
  ).then(([watchers]) => watchers);
  const isClean = read === undefined && !isLeftover;
  if (isClean) await announceBeside(parts, entry, looking, operation);
  const watchers = await looking;
  if (isLeftover) {
    const steps = { step: operation.step, unmount: 'unmount leftover', unmap: 'unmap leftover' } as const;
    await unmountAndUnmap(parts, before ?? entry, steps, deadline);
  }
  if (!isClean) await announce(parts, entry, operation);
  await withUndo({ what: 'stage', volume, operation, log }, async (undo) => {
    pushUndos(undo, parts, entry, found);
    const { right, capability } = request;
    const taking = { entry, found, right, record, mapper, before: watchers, isNew: mayBeNew(entry, found) };
    await mapAndMount(parts, { ...taking, access: capability.access }, operation, deadline);
  });
}

/** What the journal knows of this very image; what it knows of the one before it goes. BERTH_IMAGE_REPLACED. */
async function entryOfImage(
  parts: Pick<StageParts, 'mappers' | 'exec' | 'holderRecords' | 'journal' | 'self'>,
  known: JournalEntry | undefined,
  found: FoundVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<JournalEntry | undefined> {
  if (known === undefined) await refuseUnderOtherName(parts, found);
  if (known === undefined || !isOtherImage(known, found.head)) return known;
  await leaveReplaced(parts, known, found, operation, deadline);
  return undefined;
}

interface Staging extends ImageToTake {
  readonly access: Capability['access'];
}

/**
 * Nothing is written to the record or mapped while a client that no record explains has the image open; a reader does
 * no harm beside it. BERTH_VOLUME_IN_USE.
 */
async function listWatchers(
  parts: NodeStrangerParts & PresentUseParts,
  { readOnly, secrets }: Pick<StageVolume, 'readOnly' | 'secrets'>,
  question: PresentUseQuestion,
  deadline: Deadline,
): Promise<WatchersBefore> {
  if (readOnly) return { watchers: undefined };
  const { found, mapper } = question;
  const present = await presentUse(parts, question, deadline);
  return refuseStrangersBefore(parts, mapper, { found, secrets, ...present }, deadline);
}

/** The acts of a stage that is announced, from the holder record up to its confirmation in the journal. */
async function mapAndMount(
  parts: Omit<StageParts, 'operations'>,
  staging: Staging,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { entry, record, mapper, access } = staging;
  const { readOnly } = entry;
  const { found, mapping, early } = await takeAndMap(parts, staging, operation, deadline);
  const isTypeAsked = access.kind === 'mount' && access.fsType !== undefined;
  const preparation = preparationOf(entry, { found, record }, { device: mapping.device, isTypeAsked });
  // What runs beside it belongs to its name: a caller that waits is told.
  operation.step('record clients', 'and read size and content');
  const [clients, inspection, size] = await settleAll(
    early.clients(mapping),
    inspectMeanwhile({ exec: parts.exec, rbd: early }, entry, preparation, deadline),
    deviceSizeBytes(mapping.device),
  );
  operation.step('device size');
  const { sizeBytes } = found.head;
  // An image that grew while it was mapped (by an earlier try) is news to the device; a fresh mapping has its size.
  if (size !== sizeBytes) await mapper.resized(mapping, sizeBytes, deadline);
  let filesystem: Pick<JournalEntry, 'fsType'> = {};
  if (access.kind === 'mount') {
    const { stagingPath, guest } = entry;
    const mounting = { preparation, inspection, stagingPath, guest, flags: access.mountFlags };
    filesystem = { fsType: await mountDevice(parts, mounting, mapping, operation, deadline) };
  } else if (!readOnly) await recordRawUse(parts, found, operation, deadline);
  operation.step('write staged');
  const mapped = { mapper: mapping.mapper, device: mapping.device, readOnly, clients };
  // After a power cut nothing is mapped, and the intent that was written durably is as good.
  await parts.journal.note({ ...mended(entry), ...filesystem, mapping: mapped, state: 'staged' });
}

/** All of them before the first act: an earlier try may have left the record, a mapping and a mount already. */
function pushUndos(
  undo: Pick<UndoStack<NodeSteps['stage'][number]>, 'push' | 'pushUnlessStraggler'>,
  parts: Pick<StageParts, 'journal' | 'holderRecords' | 'mappers' | 'exec'>,
  entry: JournalEntry,
  found: FoundVolume,
): void {
  const { journal, holderRecords } = parts;
  undo.pushUnlessStraggler(async ({ step }) => {
    step('undo journal');
    await journal.remove(entry.volume);
  });
  undo.push(async ({ step, deadline }) => {
    step('undo holder record');
    await holderRecords.release({ ...found, imageId: found.head.id }, deadline);
  });
  undo.push(({ step, deadline }) =>
    unmountAndUnmap(parts, entry, { step, unmount: 'undo mount', unmap: 'undo map' }, deadline),
  );
}

/** Is it to get its first filesystem? */
const mayBeNew = (entry: JournalEntry, found: FoundVolume): boolean =>
  asksForFilesystem(entry) && !entry.readOnly && wasNeverFormatted(found);

/** For this node's own kernel: no guest has a part in it. */
const asksForFilesystem = ({ access, guest }: JournalEntry): boolean => access === 'mount' && guest === undefined;

/**
 * What is on the device may be read while it is written down who maps it; undefined where the device is not simply ours
 * to read.
 */
async function inspectMeanwhile(
  parts: InspectionParts,
  entry: JournalEntry,
  preparation: Preparation,
  deadline: Deadline,
): Promise<DeviceInspection | undefined> {
  if (!asksForFilesystem(entry)) return undefined;
  if (await isMountedFrom(entry.stagingPath, preparation.device)) return undefined;
  return inspectDevice(parts, preparation, deadline);
}
