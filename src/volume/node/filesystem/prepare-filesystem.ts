/**
 * From a mapped device to a filesystem that may be mounted:
 * formatted by provenance, confirmed in the record, or refused.
 */
import type { NodeIdentity } from '../../../attachment/node-identity.js';
import { randomUUID } from 'node:crypto';
import { checkFilesystem, repairBeforeMount } from '../../../host/filesystem/check/check-filesystem.js';
import type { Superblock } from '../../../host/filesystem/filesystem.js';
import { makeFilesystem } from '../../../host/filesystem/make-filesystem.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import { decideFormat, FILESYSTEM_KEY, formatProvenance } from '../../image/provenance.js';
import type { Operation } from '../../operation/operations.js';
import type { DeviceInspection, Preparation } from './inspect-device.js';
import { writeProvenance, type ProvenanceParts } from './write-provenance.js';

export interface PreparationParts extends ProvenanceParts {
  /** This node's id, for the record of an mkfs that was begun. */
  readonly self: NodeIdentity;
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

type Formatting = Operation<'repair' | 'record format intent' | 'mkfs' | 'record format end'>;

/**
 * Make the device mountable as `type`; true where the filesystem is new, so that it has the device's size and no
 * errors. BERTH_FORMAT_REFUSED or BERTH_FILESYSTEM_MISMATCH where it holds, or may hold, something else;
 * BERTH_RECORD_CONTENDED where somebody else was at its record. Nothing is written unless the image is ours, was never
 * formatted and is empty.
 */
export async function prepareFilesystem(
  parts: PreparationParts,
  preparation: Preparation,
  { provenance, content, isUntouched, superblock }: DeviceInspection,
  operation: Formatting,
  deadline: Deadline,
): Promise<boolean> {
  const { found, device, type, readOnly } = preparation;
  const { volume } = found;
  const decision = decideFormat(provenance, content, type, readOnly);
  switch (decision.act) {
    case 'mount':
      if (!readOnly) await repair(parts, preparation, superblock, operation, deadline);
      return false;
    case 'format':
      if (!isUntouched) throw berthError('BERTH_FORMAT_REFUSED', { volume, why: 'its image holds data' });
      await format(parts, preparation, operation, deadline);
      return true;
    case 'repeat':
      parts.log.warn(
        { volume, device },
        'repeating an mkfs of ours that was cut short before the volume was ever used',
      );
      await formatAgain(parts, preparation, decision.uuid, operation, deadline);
      return true;
    case 'refuse':
      if (content.kind === 'filesystem')
        throw berthError('BERTH_FILESYSTEM_MISMATCH', { volume, have: content.type, want: type });
      throw berthError('BERTH_FORMAT_REFUSED', { volume, why: decision.why });
  }
}

async function repair(
  { exec }: PreparationParts,
  { device, type, forGuest = false, wasSick = false }: Preparation,
  known: Superblock | undefined,
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  operation.step('repair');
  if (forGuest || wasSick) await checkFilesystem(exec, device, type, deadline);
  else await repairBeforeMount(exec, device, type, deadline, known);
}

async function format(
  parts: PreparationParts,
  preparation: Preparation,
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  const { found, type } = preparation;
  const uuid = randomUUID();
  const expected = found.head.metadata.get(FILESYSTEM_KEY);
  const intent = formatProvenance({ state: 'formatting', type, uuid, node: parts.self.node }, found.volume, found.head);
  operation.step('record format intent');
  await writeProvenance(parts, found, { expected, next: intent }, deadline);
  await makeAndConfirm(parts, preparation, { uuid, recorded: intent, force: false }, operation, deadline);
}

/** The record has the intent already, under this uuid. */
async function formatAgain(
  parts: PreparationParts,
  preparation: Preparation,
  uuid: string,
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  const recorded = preparation.found.head.metadata.get(FILESYSTEM_KEY);
  await makeAndConfirm(parts, preparation, { uuid, recorded, force: true }, operation, deadline);
}

/** The record says "formatted" before the first mount: from then on no path leads to mkfs any more. */
async function makeAndConfirm(
  parts: PreparationParts,
  { found, device, type, mkfsOptions }: Preparation,
  { uuid, recorded, force }: { readonly uuid: string; readonly recorded: string | undefined; readonly force: boolean },
  operation: Formatting,
  deadline: Deadline,
): Promise<void> {
  operation.step('mkfs', `of ${type}`);
  await makeFilesystem(parts.exec, { device, type, uuid, options: mkfsOptions, force, probed: true }, deadline);
  operation.step('record format end');
  const next = formatProvenance({ state: 'formatted', type, uuid }, found.volume, found.head);
  await writeProvenance(parts, found, { expected: recorded, next }, deadline);
}
