/**
 * From a mapped device to a filesystem that may be mounted: formatted by provenance, confirmed in the record, or
 * refused.
 */
import { randomUUID } from 'node:crypto';
import { checkForGuest, repairBeforeMount } from '../../../host/filesystem/check-filesystem.js';
import { makeFilesystem } from '../../../host/filesystem/make-filesystem.js';
import { findSignature, holdsFilesystem, probe, type DeviceContent } from '../../../host/filesystem/probe-device.js';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { NodeRoom } from '../node-room.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { Operation } from '../../operation/operations.js';
import {
  decideFormat,
  FILESYSTEM_KEY,
  formatProvenance,
  parseProvenance,
  type Provenance,
} from '../../image/provenance.js';
import type { FoundVolume } from '../../image/find-volume.js';

type Formatting = Operation<'probe' | 'repair' | 'record format intent' | 'mkfs' | 'record format end'>;

export interface Preparation {
  readonly found: FoundVolume;
  readonly device: string;
  readonly type: FilesystemType;
  readonly readOnly: boolean;
  readonly mkfsOptions: readonly string[];
  /** Check it whatever its superblock says: a guest mounts it, and no guest of Kata has a check of its own. */
  readonly forGuest?: boolean;
}

/** What the record and the device say; nothing was written for it. */
export interface DeviceInspection {
  readonly provenance: Provenance;
  readonly content: DeviceContent;
  /** Not one byte was ever written to the image. */
  readonly isUntouched: boolean;
}

/** BERTH_PROBE_FAILED where it cannot be told. */
export async function inspectDevice(
  room: NodeRoom,
  preparation: Preparation,
  deadline: Deadline,
): Promise<DeviceInspection> {
  const { found, device, readOnly } = preparation;
  const provenance = parseProvenance(found.head.metadata, found.volume);
  const mayFormat = provenance.state === 'never' && !readOnly;
  const isUntouched = mayFormat && (await isNew(room, preparation, deadline));
  const content: DeviceContent = isUntouched ? { kind: 'empty' } : await contentOf(room, device, provenance, deadline);
  return { provenance, content, isUntouched };
}

/**
 * Make the device mountable as `type`; true where the filesystem is new, so that it has the device's size and no
 * errors. BERTH_FORMAT_REFUSED or BERTH_FILESYSTEM_MISMATCH where it holds, or may hold, something else;
 * BERTH_RECORD_CONTENDED where somebody else was at its record. Nothing is written unless the image is ours, was never
 * formatted and is empty.
 */
export async function prepareFilesystem(
  room: NodeRoom,
  preparation: Preparation,
  { provenance, content, isUntouched }: DeviceInspection,
  operation: Formatting,
  deadline: Deadline,
): Promise<boolean> {
  const { found, device, type, readOnly } = preparation;
  const { volume, head } = found;
  const decision = decideFormat(provenance, content, type, readOnly);
  const recorded = head.metadata.get(FILESYSTEM_KEY);
  switch (decision.act) {
    case 'mount':
      if (readOnly) return false;
      operation.step('repair');
      if (preparation.forGuest === true) await checkForGuest(room.exec, device, type, deadline);
      else await repairBeforeMount(room.exec, device, type, deadline);
      return false;
    case 'format':
      if (!isUntouched) throw berthError('BERTH_FORMAT_REFUSED', { volume, why: 'its image holds data' });
      await format(room, preparation, recorded, operation, deadline);
      return true;
    case 'repeat':
      room.log.warn({ volume, device }, 'repeating an mkfs of ours that was cut short before the volume was ever used');
      await mkfs(room, preparation, { uuid: decision.uuid, recorded, force: true }, operation, deadline);
      return true;
    case 'refuse':
      if (content.kind === 'filesystem')
        throw berthError('BERTH_FILESYSTEM_MISMATCH', { volume, have: content.type, want: type });
      throw berthError('BERTH_FORMAT_REFUSED', { volume, why: decision.why });
  }
}

/**
 * Ceph says that not one byte was ever written, and the device at the same time bears no signature: only both permit
 * mkfs.
 */
async function isNew(room: NodeRoom, { found, device }: Preparation, deadline: Deadline): Promise<boolean> {
  const looks = [room.rbd.isEmpty(found.at, deadline), findSignature(room.exec, device, deadline)] as const;
  const [isUntouched, signature] = await Promise.all(looks);
  return isUntouched && signature === undefined;
}

/** The filesystem that the record names is recognized by its uuid; anything else is looked at thoroughly. */
async function contentOf(
  room: NodeRoom,
  device: string,
  provenance: Provenance,
  deadline: Deadline,
): Promise<DeviceContent> {
  if (provenance.state === 'formatted' && (await holdsFilesystem(room.exec, device, provenance, deadline))) {
    return { kind: 'filesystem', type: provenance.type, uuid: provenance.uuid };
  }
  return probe(room.exec, device, deadline);
}

async function format(
  room: NodeRoom,
  preparation: Preparation,
  recorded: string | undefined,
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  const { found, type } = preparation;
  const { volume } = found;
  const uuid = randomUUID();
  const intent = formatProvenance({ state: 'formatting', type, uuid, node: room.node }, volume);
  operation.step('record format intent');
  await record(room, found, recorded, intent, deadline);
  await mkfs(room, preparation, { uuid, recorded: intent, force: false }, operation, deadline);
}

async function mkfs(
  room: NodeRoom,
  preparation: Preparation,
  { uuid, recorded, force }: { readonly uuid: string; readonly recorded: string | undefined; readonly force: boolean },
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  const { device, type, mkfsOptions } = preparation;
  operation.step('mkfs', `of ${type}`);
  await makeFilesystem(room.exec, { device, type, uuid, options: mkfsOptions, force, probed: true }, deadline);
  operation.step('record format end');
  await confirm(room, preparation, uuid, recorded, deadline);
}

/** Before the first mount the record says "formatted": from then on no path leads to mkfs any more. */
async function confirm(
  room: NodeRoom,
  { found, type }: Preparation,
  uuid: string,
  recorded: string | undefined,
  deadline: Deadline,
): Promise<void> {
  await record(room, found, recorded, formatProvenance({ state: 'formatted', type, uuid }, found.volume), deadline);
}

async function record(
  room: NodeRoom,
  { at, head, volume }: FoundVolume,
  expected: string | undefined,
  next: string,
  deadline: Deadline,
): Promise<void> {
  if (await room.rbd.compareAndSet(at, head.id, FILESYSTEM_KEY, expected, next, deadline)) return;
  throw berthError('BERTH_RECORD_CONTENDED', { volume, times: 1 });
}

/**
 * A volume handed out writable as a raw device is its user's from then on: remember that it must never be formatted.
 */
export async function recordRawUse(
  room: NodeRoom,
  found: FoundVolume,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const provenance: Provenance = parseProvenance(found.head.metadata, found.volume);
  if (provenance.state !== 'never' && provenance.state !== 'formatting') return;
  operation.step('record raw use');
  await record(
    room,
    found,
    found.head.metadata.get(FILESYSTEM_KEY),
    formatProvenance({ state: 'raw' }, found.volume),
    deadline,
  );
}
