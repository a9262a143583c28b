/**
 * Give an image to a runtime that opens it by itself: held, formatted by provenance, left unmapped, and then named in a
 * file.
 */
import { HOLDER_KEY, parseHolderRecord } from '../../../attachment/holder-record.js';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import { growFilesystem, isSmallerThanDevice, type Growth } from '../../../host/filesystem/resize-filesystem.js';
import { resolveTarget } from '../../../host/mount/target-path.js';
import { podOfPath } from '../../../host/users/pod-of-process.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { FilesystemType } from '../../../model/capability.js';
import { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Mapper } from '../../../rbd/mapping/mapper.js';
import {
  readHandOverFile,
  removeHandOverFile,
  writeHandOverFile,
  type HandOverFile,
} from '../../../sandbox/hyperd/hand-over-file.js';
import { inspectDevice } from '../filesystem/inspect-device.js';
import { prepareFilesystem } from '../filesystem/prepare-filesystem.js';
import { isGuestWritten, markGuestWritten } from '../../image/guest-mark.js';
import { guestAccess } from './guest-user.js';
import { recordClients } from '../map-image.js';
import { type NodeRoom } from '../node-room.js';
import { UNDO_MS } from '../../operation/undo-stack.js';
import { type NodeOperation } from '../../operation/operations.js';
import { refuseFullNode } from '../volume-limit.js';
import { filesystemTypeOf } from '../../image/filesystem-type.js';
import { words } from '../../image/parameters.js';
import { parseVolumeRecord, type VolumeRecord } from '../../image/volume-record.js';
import { mustFindVolume, type Credentials, type FoundVolume } from '../../image/find-volume.js';
import { describeWatchers } from './reclaim-image.js';

export interface HandOver {
  readonly volume: string;
  /** The pod's directory of this volume, made by the kubelet; the file will lie in it. */
  readonly directory: string;
  /** Undefined takes what the image has, or was made for; ext4 where nobody says. */
  readonly fsType: FilesystemType | undefined;
  /** The runtime mounts it read-only; its disk is writable all the same (runv knows no other). */
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}

type Step = NodeOperation<'handover'>;

/**
 * Hand the volume to hyperd at this directory; there already is a success. BERTH_VOLUME_IN_USE while another pod,
 * another mount on this node or any Ceph client has it, BERTH_VOLUME_HELD by another node, and the errors of format,
 * mapper and {@link guestAccess}.
 */
export async function handOver(room: NodeRoom, request: HandOver, deadline: Deadline): Promise<void> {
  const directory = await resolveTarget('directory', request.directory);
  const { volume, fsType, readOnly } = request;
  const what = { op: 'handover', fingerprint: JSON.stringify([directory, fsType, readOnly]) } as const;
  await room.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(room, volume, 'node', request.secrets, deadline);
    const resolved = { ...request, directory, fsType: filesystemTypeOf(fsType, found) };
    operation.step('read journal');
    const before = await entryBefore(room, resolved, deadline);
    operation.step('guest user');
    const handOff = await handOverFileOf(room, found, resolved);
    if (before?.state === 'staged' && before.stagingPath === directory && isHeldSince(room, found)) {
      // A guest may have it open: nothing is touched but the file, whose key or monitors may have changed.
      operation.step('write file');
      await writeHandOverFile(directory, handOff);
      return;
    }
    await prepareImage(room, { request: resolved, found, handOff, before }, operation, deadline);
  });
}

/**
 * Handed over in this boot, and not lost since: otherwise it is brought anew, for a fence could not reach its guest.
 */
function isHeldSince({ node, bootId }: NodeRoom, { head, volume }: FoundVolume): boolean {
  const record = parseHolderRecord(head.metadata.get(HOLDER_KEY), volume);
  const mine = record?.holders.find((one) => one.node === node);
  return mine?.state === 'staged' && mine.bootId === bootId;
}

type Resolved = HandOver & { readonly fsType: FilesystemType };

async function handOverFileOf(
  room: NodeRoom,
  found: FoundVolume,
  { fsType, secrets }: Resolved,
): Promise<HandOverFile> {
  const { pool, namespace, image } = found.id;
  const access = await guestAccess(room, found, secrets);
  return { pool, image: namespace === '' ? image : `${namespace}/${image}`, fsType, ...access };
}

/**
 * What this node has of the volume, where that does not stand in the way. BERTH_VOLUME_IN_USE,
 * BERTH_PUBLISHED_OTHERWISE, BERTH_JOURNAL_UNREADABLE.
 */
async function entryBefore(
  room: NodeRoom,
  { volume, directory, fsType, readOnly }: Resolved,
  deadline: Deadline,
): Promise<JournalEntry | undefined> {
  const entry = await room.journal.read(volume);
  if (entry === undefined) {
    const mapping = await room.mappers.findUnrecorded(volume, deadline);
    if (mapping !== undefined)
      throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `this node: it is mapped as ${mapping.device}` });
    return undefined;
  }
  if (entry.handedTo === undefined) {
    const mapping = await room.mappers.mappingOf(entry, deadline);
    if (mapping === undefined) return entry;
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `this node: ${mapping.device}, for ${entry.stagingPath}` });
  }
  if (entry.stagingPath !== directory) {
    // Whose file is gone has given it up; that no guest has it open any more is what Ceph is asked for later.
    if (entry.state === 'unstaging' || (await readHandOverFile(entry.stagingPath)) === undefined) return entry;
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: describe(entry.stagingPath) });
  }
  const differs = entry.fsType === fsType ? (entry.readOnly === readOnly ? undefined : 'readonly flag') : 'filesystem';
  if (entry.state === 'staged' && differs !== undefined)
    throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path: directory, what: differs });
  return entry;
}

const describe = (directory: string): string => {
  const pod = podOfPath(directory);
  return pod === undefined ? `hyperd, by ${directory}` : `pod ${pod}, by ${directory}`;
};

interface PreparedHandOver {
  readonly request: Resolved;
  readonly found: FoundVolume;
  readonly handOff: HandOverFile;
  readonly before: JournalEntry | undefined;
}

async function prepareImage(
  room: NodeRoom,
  bringing: PreparedHandOver,
  operation: Step,
  deadline: Deadline,
): Promise<void> {
  const { request, found, handOff, before } = bringing;
  const { volume, directory, readOnly, fsType } = request;
  const record = parseVolumeRecord(found.head.metadata, volume);
  const { fsid } = await room.rbd.identify(found.at.access, deadline);
  const mapper = await room.mappers.forChoice(record?.shape.mounter ?? 'auto');
  await refuseFullNode(room, mapper, { volume, fsid }, deadline);
  if (before !== undefined) await clearAway(room, before, directory, operation, deadline);
  operation.step('watchers');
  // Before anything is written: a refusal has nothing to undo, and must not give back what protects the guest that
  // lives. Nobody of ours comes in between, for who opens the image holds the record, and lets go of it only when it is
  // closed.
  await refuseOpen(room, found, deadline);
  const entry: JournalEntry = {
    ...{ version: 1, volume, fsid, stagingPath: directory, state: 'staging', handedTo: 'hyperd' },
    ...{ mode: 'SINGLE_NODE_SINGLE_WRITER', access: 'mount', readOnly, fsType, flagsDigest: '', mapper: mapper.name },
    ...{ holdsRecord: true, targets: {}, since: room.now().toISOString() },
  };
  operation.step('write intent');
  await room.journal.write(entry);
  try {
    operation.step('take holder record');
    const { mode, access } = entry;
    // Writable whatever was asked: a guest's disk has no other way, and one that was attached for reading only must not
    // get it.
    const head = await room.holderRecords.take(found, { mode, access, readOnly: false }, deadline);
    const taken = { ...found, head };
    await format(room, { ...bringing, found: taken }, { entry, mapper, record }, operation, deadline);
    // Not open here any more; the guest's client comes later, and is not known here.
    await room.holderRecords.recordStaged(taken, [], deadline);
    if (!isGuestWritten(found.head.metadata)) {
      operation.step('mark as written by guest');
      await markGuestWritten(room, { volume, secrets: request.secrets, sandbox: 'hyperd' }, deadline);
    }
    operation.step('write file');
    await writeHandOverFile(directory, handOff);
    operation.step('write staged');
    await room.journal.write({ ...entry, state: 'staged' });
  } catch (error) {
    await undo(room, entry, found, operation);
    throw error;
  }
}

/** What an earlier try, or an earlier pod, left on this node: its file, a mapping. BERTH_UNMAP_BUSY. */
async function clearAway(
  room: NodeRoom,
  before: JournalEntry,
  directory: string,
  operation: Step,
  deadline: Deadline,
): Promise<void> {
  if (before.handedTo !== undefined && before.stagingPath !== directory) await removeHandOverFile(before.stagingPath);
  const mapping = await room.mappers.mappingOf(before, deadline);
  if (mapping === undefined) return;
  operation.step('unmap leftover', mapping.device);
  await room.mappers.named(before.mapper).unmap(mapping, deadline);
}

/**
 * BERTH_VOLUME_IN_USE while any client has the image open for writing: a guest that has not ended, or somebody beside
 * Kubernetes.
 */
async function refuseOpen(room: NodeRoom, { at, volume }: FoundVolume, deadline: Deadline): Promise<void> {
  const { watchers } = await room.rbd.inspect(at, deadline);
  if (watchers.length === 0) return;
  throw berthError('BERTH_VOLUME_IN_USE', { volume, who: describeWatchers(watchers) });
}

/** Mapped only for this, and only where nobody has it open: two kernels on one filesystem destroy it. */
async function format(
  room: NodeRoom,
  { request: { readOnly, fsType }, found }: PreparedHandOver,
  { entry, mapper, record }: { entry: JournalEntry; mapper: Mapper; record: VolumeRecord | undefined },
  operation: Step,
  deadline: Deadline,
): Promise<void> {
  operation.step('map', `by ${mapper.name}`);
  const { features } = found.head;
  const options = record?.shape.mapOptions ?? '';
  const mapping = await mapper.map({ image: found.at, fsid: entry.fsid, readOnly, features, options }, deadline);
  operation.step('record clients');
  // Before the first write, as a stage does it: a detach takes `staging` without clients for nothing written
  // (fence-decision.ts). Nobody had it open before.
  await recordClients(room, mapping, { found, before: [] }, deadline);
  const { device } = mapping;
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const preparation = { found, device, type: fsType, readOnly, mkfsOptions, forGuest: true } as const;
  operation.step('probe');
  const look = await inspectDevice(room, preparation, deadline);
  const isNew = await prepareFilesystem(room, preparation, look, operation, deadline);
  // What grows only where it is mounted (xfs) does not grow here.
  const mayGrow = !isNew && !readOnly && filesystems[fsType].growUnmounted !== undefined;
  if (mayGrow) await growHere(room, { device, type: fsType, mountedAt: undefined }, operation, deadline);
  operation.step('unmap', device);
  await mapper.unmap(mapping, deadline);
}

async function growHere(room: NodeRoom, target: Growth, operation: Step, deadline: Deadline): Promise<void> {
  try {
    if (!(await isSmallerThanDevice(target))) return;
    operation.step('grow filesystem');
    await growFilesystem(room.exec, target, deadline);
  } catch (error) {
    room.log.warn(
      { device: target.device, err: error },
      'the filesystem could not grow to its device and is handed over as it is',
    );
  }
}

/** In time of its own: the file first, for a guest may not find what the record does not protect any more. */
async function undo(room: NodeRoom, entry: JournalEntry, found: FoundVolume, operation: Step): Promise<void> {
  const deadline = Deadline.after(UNDO_MS);
  const { volume } = entry;
  try {
    operation.step('undo file');
    await removeHandOverFile(entry.stagingPath);
    const mapping = await room.mappers.mappingOf(entry, deadline);
    if (mapping !== undefined) {
      operation.step('undo map', mapping.device);
      await room.mappers.named(entry.mapper).unmap(mapping, deadline);
    }
    operation.step('undo holder record');
    if (entry.holdsRecord) await room.holderRecords.release(found, deadline);
    const straggler = operation.straggler();
    if (straggler !== undefined) throw new Error(`still alive: ${straggler}`);
    operation.step('undo journal');
    await room.journal.remove(volume);
  } catch (error) {
    room.log.warn(
      { volume, err: error },
      'a failed hand-over could not be undone; the journal keeps it for the next try',
    );
  }
}
