/**
 * Give an image to a runtime that opens it by itself: the holder record is taken, the filesystem is made ready, the
 * image is left unmapped and marked, and only then named in a file.
 */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { resolveTarget } from '../../../host/mount/target-path.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Journal } from '../../../journal/journal.js';
import type { FilesystemType } from '../../../model/capability.js';
import { isSameNode } from '../../../attachment/node-identity.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { RbdPort } from '../../../rbd/port.js';
import {
  readHandOverFile,
  removeHandOverFile,
  writeHandOverFile,
  type HandOverFile,
} from '../../../sandbox/hyperd/hand-over-file.js';
import { filesystemTypeOf } from '../../image/filesystem-type.js';
import { mustFindVolume, type Credentials, type FoundVolume } from '../../image/find-volume.js';
import { isGuestWritten, type GuestMark } from '../../image/guest-mark.js';
import { parseVolumeRecord } from '../../image/volume-record.js';
import type { NodeOperation, Operations } from '../../operation/operations.js';
import type { NodeSteps } from '../../operation/steps.js';
import { withUndo, type UndoStack } from '../../operation/undo-stack.js';
import { refuseStrangersBefore, type NodeStrangerParts } from '../client-instances.js';
import { settleGrowth, type SettleParts } from '../filesystem/settle-growth.js';
import { refuseReplaced } from '../recovery/entry-image.js';
import type { NodeHolderRecords, ThisNode } from '../node-holder-records.js';
import type { Mappers } from '../node-mappers.js';
import { refuseFullNode, type VolumeLimit } from '../volume-limit.js';
import { decideHandOver, type HandOverAsked, type HandOverFacts } from './decide-hand-over.js';
import { formatForGuest, type FormatParts } from './format-for-guest.js';
import { guestAccess } from './guest-user.js';
import type { StillGuests } from './still-guests.js';

export interface HandOverParts extends FormatParts, ThisNode, VolumeLimit {
  readonly operations: Pick<Operations<NodeSteps>, 'run'>;
  readonly journal: Pick<Journal, 'read' | 'write' | 'remove'>;
  readonly mappers: Pick<Mappers, 'forChoice' | 'named' | 'mappingOf' | 'findUnrecorded'>;
  readonly clusters: Clusters;
  readonly formerClients: SettleParts['formerClients'] & NodeStrangerParts['formerClients'];
  readonly rbd: FormatParts['rbd'] &
    SettleParts['rbd'] &
    Pick<RbdPort, 'head' | 'identify' | 'listRecords' | 'watchersById'>;
  readonly holderRecords: Pick<NodeHolderRecords, 'take' | 'recordStaged' | 'release'>;
  readonly markGuestWritten: (mark: GuestMark, deadline: Deadline) => Promise<void>;
  readonly stillGuests: StillGuests;
  readonly now: () => Date;
}

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

type HandOverOperation = NodeOperation<'handover'>;
type HandOverStep = NodeSteps['handover'][number];

/**
 * Hand the volume to hyperd at this directory; there already is a success. BERTH_VOLUME_IN_USE while another pod,
 * another mount on this node or any Ceph client has it, BERTH_PUBLISHED_OTHERWISE, BERTH_JOURNAL_UNREADABLE,
 * BERTH_VOLUME_HELD by another node, and the errors of format, mapper and {@link guestAccess}.
 */
export async function handOver(parts: HandOverParts, request: HandOver, deadline: Deadline): Promise<void> {
  const directory = await resolveTarget('directory', request.directory);
  const { volume, readOnly, secrets } = request;
  const what = { op: 'handover', fingerprint: JSON.stringify([directory, request.fsType, readOnly]) } as const;
  await parts.operations.run(volume, what, deadline, async (operation, deadline) => {
    operation.step('look');
    const found = await mustFindVolume(parts, volume, 'node', secrets, deadline);
    const isTypeAsked = request.fsType !== undefined;
    const asked = { volume, directory, readOnly, isTypeAsked, fsType: filesystemTypeOf(request.fsType, found) };
    operation.step('read journal');
    const facts = await gatherFacts(parts, asked, found, deadline);
    const decision = decideHandOver(asked, facts);
    operation.step('guest user');
    const fsType = (decision === 'renew file' ? facts.entry?.fsType : undefined) ?? asked.fsType;
    const file = await handOverFileOf(parts.clusters, found, fsType, secrets);
    if (decision === 'prepare') {
      return prepareImage(parts, { asked, found, file, secrets, before: facts.entry }, operation, deadline);
    }
    // Its key or monitors may have changed.
    operation.step('write file');
    await writeHandOverFile(directory, file);
  });
}

/** BERTH_JOURNAL_UNREADABLE, BERTH_IMAGE_REPLACED, and BERTH_VOLUME_IN_USE where a mapping may be one of several. */
async function gatherFacts(
  { journal, mappers, self, bootId }: HandOverParts,
  { volume, directory }: HandOverAsked,
  { head }: FoundVolume,
  deadline: Deadline,
): Promise<HandOverFacts> {
  const entry = await journal.read(volume);
  // It has to be reclaimed first, and its record given back.
  if (entry !== undefined) refuseReplaced(entry, head);
  if (entry === undefined) {
    const device = (await mappers.findUnrecorded(volume, deadline))?.device;
    return { entry, device, hasFile: false, holder: undefined, bootId };
  }
  if (entry.handedTo === undefined) {
    const device = (await mappers.mappingOf(entry, deadline))?.device;
    return { entry, device, hasFile: false, holder: undefined, bootId };
  }
  if (entry.stagingPath !== directory) {
    const hasFile = (await readHandOverFile(entry.stagingPath)) !== undefined;
    return { entry, device: undefined, hasFile, holder: undefined, bootId };
  }
  const record = entry.state === 'staged' ? readHolderRecord(head, volume) : undefined;
  const holder = record?.holders.find((one) => isSameNode(one, self));
  return { entry, device: undefined, hasFile: false, holder, bootId };
}

async function handOverFileOf(
  clusters: Clusters,
  found: FoundVolume,
  fsType: FilesystemType,
  secrets: Credentials | undefined,
): Promise<HandOverFile> {
  const { pool, namespace, image } = found.id;
  const access = await guestAccess(clusters, found, secrets);
  return { pool, image: namespace === '' ? image : `${namespace}/${image}`, fsType, ...access };
}

/** Ceph does not show the guest of before while that stands still. BERTH_VOLUME_IN_USE. */
async function refuseStillGuests({ stillGuests }: Pick<HandOverParts, 'stillGuests'>, volume: string): Promise<void> {
  const still = await stillGuests();
  if (still.length === 0) return;
  const who = `${still.join(', ')}, which stands still and may have it open`;
  throw berthError('BERTH_VOLUME_IN_USE', { volume, who });
}

interface ImageToHandOver {
  readonly asked: HandOverAsked;
  readonly found: FoundVolume;
  readonly file: HandOverFile;
  readonly secrets: Credentials | undefined;
  /** What an earlier try, or an earlier pod, left. */
  readonly before: JournalEntry | undefined;
}

async function prepareImage(
  parts: HandOverParts,
  { asked, found, file, secrets, before }: ImageToHandOver,
  operation: HandOverOperation,
  deadline: Deadline,
): Promise<void> {
  const { rbd, mappers, journal, holderRecords, log } = parts;
  const { volume, directory, readOnly, fsType: expected, isTypeAsked } = asked;
  const record = parseVolumeRecord(found.head.metadata, volume);
  const { fsid } = await rbd.identify(found.at.access, deadline);
  const mapper = await mappers.forChoice(record?.shape.mounter ?? 'auto');
  await refuseFullNode(parts, mapper, { volume, fsid }, deadline);
  if (before?.handedTo !== undefined) await refuseStillGuests(parts, volume);
  if (before !== undefined) await removeLeftover(mappers, before, directory, operation, deadline);
  operation.step('watchers');
  // Before anything is written: a refusal has nothing to undo, and must not give back what protects the guest that
  // lives. Nobody of ours comes in between, for who opens the image has the record, and gives it back only when it is
  // closed. A guest of this node that lives is refused as well: its client is in the record, and not among the known.
  const nothing = { known: [], mapping: undefined } as const;
  const watchers = await refuseStrangersBefore(parts, mapper, { found, secrets, ...nothing }, deadline);
  const entry: JournalEntry = {
    version: 1,
    volume,
    fsid,
    imageId: found.head.id,
    stagingPath: directory,
    state: 'staging',
    handedTo: 'hyperd',
    mode: 'SINGLE_NODE_SINGLE_WRITER',
    access: 'mount',
    readOnly,
    fsType: expected,
    flagsDigest: '',
    mapper: mapper.name,
    holdsRecord: true,
    targets: {},
    since: parts.now().toISOString(),
  };
  operation.step('write intent');
  await journal.write(entry);
  await withUndo({ what: 'hand-over', volume, operation, log }, async (undo) => {
    pushUndos(parts, undo, entry, found);
    operation.step('take holder record');
    // Writable whatever was asked: a guest's disk has no other way, and one that was attached for reading only must not
    // get it.
    const wanted = { mode: entry.mode, access: 'mount', readOnly: false } as const;
    // FlexVolume passes nothing on from its attach, where there is one.
    const head = await holderRecords.take(found, wanted, { by: 'node' }, deadline);
    const taken = await settleGrowth(parts, { found: { ...found, head }, readOnly: false }, operation, deadline);
    const image = { found: taken, record, entry, mapper, isTypeAsked, watchers };
    const fsType = await formatForGuest(parts, image, operation, deadline);
    // Not open here any more; the guest's client comes later, and is not known here.
    await holderRecords.recordStaged(taken, [], deadline);
    if (!isGuestWritten(found.head.metadata)) {
      operation.step('mark as written by guest');
      await parts.markGuestWritten({ volume, imageId: found.head.id, secrets, sandbox: 'hyperd' }, deadline);
    }
    operation.step('write file');
    await writeHandOverFile(directory, { ...file, fsType });
    operation.step('write staged');
    await journal.write({ ...entry, fsType, state: 'staged' });
  });
}

/**
 * All undos are pushed before the first act. So the file goes first whatever fails, also that of an earlier hand-over:
 * a guest may not find what the record does not protect any more.
 */
function pushUndos(
  { journal, mappers, holderRecords }: Pick<HandOverParts, 'journal' | 'mappers' | 'holderRecords'>,
  undo: UndoStack<HandOverStep>,
  entry: JournalEntry,
  found: FoundVolume,
): void {
  undo.pushUnlessStraggler(async ({ step }) => {
    step('undo journal');
    await journal.remove(entry.volume);
  });
  undo.push(async ({ step, deadline }) => {
    step('undo holder record');
    await holderRecords.release({ ...found, imageId: found.head.id }, deadline);
  });
  undo.push(async ({ step, deadline }) => {
    const mapping = await mappers.mappingOf(entry, deadline);
    if (mapping === undefined) return;
    step('undo map', mapping.device);
    await mappers.named(entry.mapper).unmap(mapping, deadline);
  });
  undo.push(async ({ step }) => {
    step('undo file');
    await removeHandOverFile(entry.stagingPath);
  });
}

/** What an earlier try, or an earlier pod, left on this node: its file, a mapping. BERTH_UNMAP_BUSY. */
async function removeLeftover(
  mappers: Pick<Mappers, 'mappingOf' | 'named'>,
  before: JournalEntry,
  directory: string,
  operation: HandOverOperation,
  deadline: Deadline,
): Promise<void> {
  if (before.handedTo !== undefined && before.stagingPath !== directory) await removeHandOverFile(before.stagingPath);
  const mapping = await mappers.mappingOf(before, deadline);
  if (mapping === undefined) return;
  operation.step('unmap leftover', mapping.device);
  await mappers.named(before.mapper).unmap(mapping, deadline);
}
