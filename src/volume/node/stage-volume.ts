/**
 * NodeStage: hold, map, format by provenance, mount. Undo, in this order: unmount, unmap, forget; what cannot be undone
 * stays in the journal.
 */
import { createHash } from 'node:crypto';
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { checkAbsolute, resolveTarget } from '../../host/mount/target-path.js';
import { isMountedHere, type JournalEntry, type JournalGuest } from '../../journal/entry.js';
import { DEFAULT_FILESYSTEM, isReaderMode, type Capability, type FilesystemType } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { settleAll } from '../../model/settle-all.js';
import type { Mapper, Mapping } from '../../rbd/mapping/mapper.js';
import { checkCapabilities } from '../image/capability-rules.js';
import { watchersBefore, type WatchersBefore } from './client-instances.js';
import { inspectDevice, type DeviceInspection } from './filesystem/inspect-device.js';
import { recordRawUse } from './filesystem/write-provenance.js';
import { guestAtStage } from './guest/guest-mode.js';
import { entryToStage } from './journal-faults.js';
import { type NodeRoom } from './node-room.js';
import { UNDO_MS } from '../operation/undo-stack.js';
import { type NodeOperation } from '../operation/operations.js';
import { refuseFullNode } from './volume-limit.js';
import type { SandboxParameters } from '../image/parameters.js';
import { cutOffAndUnmap, unmountRevoked, whyRevoked } from './recovery/cut-off.js';
import { mapAsAsked, recordClients } from './map-image.js';
import { parseProvenance } from '../image/provenance.js';
import { parseVolumeRecord, type VolumeRecord } from '../image/volume-record.js';
import { mustFindVolume, type Credentials, type FoundVolume } from '../image/find-volume.js';
import { mountDevice, preparationOf } from './filesystem/stage-filesystem.js';
import { isMountedFrom, unmountStaged } from './filesystem/staging-mount.js';

export interface StageVolume {
  readonly volume: string;
  readonly stagingPath: string;
  readonly capability: Capability;
  /** The attach said so, or the capability's mode does. */
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
  /** As the PersistentVolume says; undefined where it says nothing. */
  readonly sandbox?: SandboxParameters | undefined;
  /** Nobody will unstage it: it goes with its last pod. */
  readonly withPods?: true;
}

/**
 * Bring the volume to this node and, for a filesystem, mount it at the staging path. Errors: BERTH_VOLUME_NOT_FOUND,
 * BERTH_VOLUME_HELD, BERTH_PUBLISHED_OTHERWISE (staged in another way), BERTH_NODE_FULL, BERTH_FORMAT_REFUSED,
 * BERTH_FILESYSTEM_MISMATCH, and those of the mapper.
 */
export async function stageVolume(room: NodeRoom, request: StageVolume, deadline: Deadline): Promise<void> {
  const checked = await checkStage(request);
  const { volume, stagingPath, capability, readOnly } = checked;
  const what = { op: 'stage', fingerprint: JSON.stringify([stagingPath, capability, readOnly]) } as const;
  await room.operations.run(volume, what, deadline, (operation, deadline) =>
    stageWithin(room, checked, operation, deadline),
  );
}

/** A request that may be asked for, with its path resolved and what makes it read-only in one flag. */
export async function checkStage(request: StageVolume): Promise<StageVolume> {
  checkCapabilities([request.capability]);
  checkAbsolute('staging_target_path', request.stagingPath);
  const stagingPath = await resolveTarget('staging_target_path', request.stagingPath);
  return { ...request, stagingPath, readOnly: isReadOnly(request) };
}

/** Stage within an operation of the volume that runs already. @param request as {@link checkStage} answers it */
export async function stageWithin(
  room: NodeRoom,
  request: StageVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  operation.step('read journal');
  const entry = await entryToStage(room, request.volume, deadline);
  if (entry !== undefined && (await isStagedAlready(room, entry, request, deadline))) {
    if ((await whyRevoked(room, entry, request.secrets, deadline)) === undefined) return;
    // Fenced while it was away, and granted anew: what is mapped can never be written to again.
    await cutOffAndUnmap(room, entry, operation, deadline);
  } else if (entry !== undefined) await unmountRevoked(room, entry, operation, deadline);
  await stage(room, request, entry, operation, deadline);
}

function isReadOnly({ capability: { access, mode }, readOnly }: StageVolume): boolean {
  return readOnly || isReaderMode(mode) || (access.kind === 'mount' && access.mountFlags.includes('ro'));
}

/**
 * True where the kernel confirms it; BERTH_PUBLISHED_OTHERWISE where the volume is here in another way; false for a
 * stale entry.
 */
async function isStagedAlready(
  room: NodeRoom,
  entry: JournalEntry,
  request: StageVolume,
  deadline: Deadline,
): Promise<boolean> {
  const mapping = await room.mappers.mappingOf(entry, deadline);
  if (mapping === undefined) return false;
  const isThere = !isMountedHere(entry) || (await isMountedFrom(entry.stagingPath, mapping.device));
  const difference = differenceOf(entry, request);
  if (entry.state === 'staged' && isThere && difference === undefined) return true;
  if (isThere && difference !== undefined && entry.state === 'staged') {
    throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume: entry.volume, path: entry.stagingPath, what: difference });
  }
  return false;
}

function differenceOf(entry: JournalEntry, request: StageVolume): string | undefined {
  const { access, mode } = request.capability;
  if (entry.stagingPath !== request.stagingPath) return 'staging path';
  if (entry.access !== access.kind) return 'access type';
  if (entry.mode !== mode) return 'access mode';
  if (entry.readOnly !== request.readOnly) return 'readonly flag';
  if (access.kind === 'mount' && access.fsType !== undefined && entry.fsType !== access.fsType) return 'filesystem';
  return entry.flagsDigest === flagsDigest(request.capability) ? undefined : 'set of mount flags';
}

async function stage(
  room: NodeRoom,
  request: StageVolume,
  before: JournalEntry | undefined,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { volume, capability, secrets } = request;
  operation.step('look');
  const found = await mustFindVolume(room, volume, 'node', secrets, deadline);
  const record = parseVolumeRecord(found.head.metadata, volume);
  const [{ fsid }, mapper] = await Promise.all([
    room.rbd.identify(found.at.access, deadline),
    room.mappers.forChoice(record?.shape.mounter ?? 'auto'),
  ]);
  // Asked while the rest goes on; who opens the image between this and the map makes it unknown who came, no more.
  const watchers = watchersBefore(room, mapper, found, deadline);
  await refuseFullNode(room, mapper, { volume, fsid }, deadline);
  // Mapped by one mapper and then by another it would be open twice: two caches, and two kernels' mounts, of one
  // filesystem.
  if (before !== undefined && (before.mapper !== mapper.name || differenceOf(before, request) !== undefined)) {
    await clearAway(room, before, operation, deadline);
  }
  const fsType = capability.access.kind === 'mount' ? filesystemOf(capability.access.fsType, found, record) : undefined;
  // Before the record is taken: a record that no journal knows of would keep the volume on this node for ever.
  const guest = fsType === undefined ? undefined : guestAtStage(found.head.metadata, record?.shape, request.sandbox);
  const entry = newEntry(room, request, before, { fsid, mapper, fsType, guest });
  operation.step('write intent');
  await room.journal.write(entry);
  try {
    operation.step('take holder record');
    const taken = { ...found, head: await room.holderRecords.take(found, entry, deadline) };
    await mapAndMount(room, { request, found: taken, record, entry, mapper, watchers }, operation, deadline);
  } catch (error) {
    await undo(room, entry, found, operation);
    throw error;
  }
}

/**
 * What another request's unfinished stage left: mounted elsewhere or otherwise, it is nothing to go on from.
 * BERTH_UNMAP_BUSY.
 */
async function clearAway(
  room: NodeRoom,
  before: JournalEntry,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const mapping = await room.mappers.mappingOf(before, deadline);
  if (mapping === undefined) return;
  operation.step('unmount leftover');
  if (before.access === 'mount') await unmountStaged(room, before.stagingPath, mapping.device, deadline);
  operation.step('unmap leftover', mapping.device);
  await room.mappers.named(before.mapper).unmap(mapping, deadline);
}

function filesystemOf(
  asked: FilesystemType | undefined,
  found: FoundVolume,
  record: VolumeRecord | undefined,
): FilesystemType {
  if (asked !== undefined) return asked;
  const provenance = parseProvenance(found.head.metadata, found.volume);
  if (provenance.state === 'formatted' || provenance.state === 'formatting') return provenance.type;
  return record?.shape.fsType ?? DEFAULT_FILESYSTEM;
}

function newEntry(
  room: NodeRoom,
  { volume, stagingPath, capability, readOnly, withPods }: StageVolume,
  before: JournalEntry | undefined,
  known: { fsid: string; mapper: Mapper; fsType: FilesystemType | undefined; guest: JournalGuest | undefined },
): JournalEntry {
  return {
    version: 1,
    volume,
    fsid: known.fsid,
    stagingPath,
    state: 'staging',
    mode: capability.mode,
    access: capability.access.kind,
    readOnly,
    ...(known.fsType === undefined ? {} : { fsType: known.fsType }),
    flagsDigest: flagsDigest(capability),
    mapper: known.mapper.name,
    ...(known.guest === undefined ? {} : { guest: known.guest }),
    ...(withPods === undefined ? {} : { withPods }),
    // What the attach granted is not given back at the end, but the record says then that the node has let go
    // (Holders.release).
    holdsRecord: true,
    // A staging mount may be lost while pods still stand on theirs.
    targets: before?.targets ?? {},
    since: room.now().toISOString(),
  };
}

interface Staging {
  readonly request: StageVolume;
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly entry: JournalEntry;
  readonly mapper: Mapper;
  /** Never fails. */
  readonly watchers: Promise<WatchersBefore>;
}

async function mapAndMount(
  room: NodeRoom,
  staging: Staging,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { request, found, record, entry, mapper } = staging;
  const options = record?.shape.mapOptions ?? '';
  const { readOnly } = request;
  const asked = { image: found.at, fsid: entry.fsid, readOnly, features: found.head.features, options };
  const before = await staging.watchers;
  const mapping = await mapAsAsked(mapper, asked, operation, deadline);
  operation.step('record clients');
  const [clients, inspection, size] = await settleAll(
    recordClients(room, mapping, { found, before }, deadline),
    lookMeanwhile(room, staging, mapping, deadline),
    deviceSizeBytes(mapping.device),
  );
  operation.step('device size');
  // An image that grew while it was mapped (by an earlier try) is news to the device; a fresh mapping has the size
  // already.
  if (size !== found.head.sizeBytes) await mapper.resized(mapping, found.head.sizeBytes, deadline);
  if (request.capability.access.kind === 'block') {
    if (!readOnly) await recordRawUse(room, found, operation, deadline);
  } else {
    await mountDevice(room, { ...staging, inspection }, mapping, operation, deadline);
  }
  operation.step('write staged');
  const { device } = mapping;
  const mapped = { mapper: mapping.mapper, device, readOnly, clients };
  await room.journal.write({ ...entry, mapping: mapped, state: 'staged' });
}

/**
 * What is on the device may be read while it is written down who maps it; undefined where the device is not simply ours
 * to look at.
 */
async function lookMeanwhile(
  room: NodeRoom,
  staging: Staging,
  mapping: Mapping,
  deadline: Deadline,
): Promise<DeviceInspection | undefined> {
  const { request, entry } = staging;
  if (entry.access !== 'mount' || entry.guest !== undefined) return undefined;
  if (await isMountedFrom(request.stagingPath, mapping.device)) return undefined;
  return inspectDevice(room, preparationOf(staging, mapping.device), deadline);
}

/** Undo gets time of its own: its operation's deadline is most likely why we are here. */
async function undo(
  room: NodeRoom,
  entry: JournalEntry,
  found: FoundVolume,
  operation: NodeOperation<'stage'>,
): Promise<void> {
  const deadline = Deadline.after(UNDO_MS);
  try {
    const mapping = await room.mappers.mappingOf(entry, deadline);
    if (mapping !== undefined) {
      operation.step('undo mount');
      if (entry.access === 'mount') await unmountStaged(room, entry.stagingPath, mapping.device, deadline);
      operation.step('undo map', mapping.device);
      await room.mappers.named(entry.mapper).unmap(mapping, deadline);
    }
    operation.step('undo holder record');
    if (entry.holdsRecord) await room.holderRecords.release(found, deadline);
    const straggler = operation.straggler();
    // A map that could not be killed may still come true: the entry stays, so that the next try finds it.
    if (straggler !== undefined) throw new Error(`still alive: ${straggler}`);
    operation.step('undo journal');
    await room.journal.remove(entry.volume);
  } catch (error) {
    room.log.warn(
      { volume: entry.volume, err: error },
      'a failed stage could not be undone; the journal keeps it for the next try',
    );
  }
}

/** Flags may be sensitive (CSI 1.12), so the journal keeps only enough to compare them. */
export const flagsDigest = ({ access }: Capability): string =>
  access.kind === 'block'
    ? ''
    : createHash('sha256').update(JSON.stringify(access.mountFlags)).digest('hex').slice(0, 16);
