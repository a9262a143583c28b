/**
 * A copy of a filesystem gets a uuid of its own before this node mounts it for the first time: once, as its record
 * says, and whenever it is cut short it goes on where it was.
 */
import { randomUUID } from 'node:crypto';
import { filesystems } from '../../../host/filesystem/filesystems.js';
import type { UuidChange } from '../../../host/filesystem/filesystem.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Logger } from '../../../observe/log.js';
import { isGuestWritten } from '../../image/guest-mark.js';
import { FILESYSTEM_KEY, formatProvenance, type Provenance } from '../../image/provenance.js';
import type { NodeOperation } from '../../operation/operations.js';
import type { Preparation } from './inspect-device.js';
import { makeStagingDirectory } from './staging-mount.js';
import { writeProvenance, type ProvenanceParts } from './write-provenance.js';

export interface OwnUuidParts extends ProvenanceParts {
  readonly exec: Exec;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * Does nothing for what is no copy, for a filesystem whose kernel minds no second one of its uuid, for a reader, and
 * for a guest, which sees no other copy. To be called with the device unmounted. A tool that refuses is a warning: the
 * volume is mounted with the uuid that it has, which works beside its source as well. BERTH_RECORD_CONTENDED.
 */
export async function giveOwnUuid(
  parts: OwnUuidParts,
  preparation: Preparation,
  provenance: Provenance,
  directory: string,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<void> {
  const { found, device, type, readOnly, forGuest = false } = preparation;
  const { uuidOfCopy: change } = filesystems[type];
  if (readOnly || forGuest || change === undefined || provenance.state !== 'formatted' || provenance.copied !== true)
    return;
  // What a guest has written since is in a journal that must be applied first, whatever was recorded before it.
  const isBegun = provenance.nextUuid !== undefined && !isGuestWritten(found.head.metadata);
  const intent = isBegun
    ? { uuid: provenance.nextUuid, recorded: found.head.metadata.get(FILESYSTEM_KEY) }
    : await begin(parts, preparation, change, provenance.uuid, directory, operation, deadline);
  if (intent === undefined) return;
  operation.step('set uuid');
  const isSet = await change.set(parts.exec, { device, uuid: intent.uuid, wasBegun: isBegun }, deadline);
  if (!isSet) parts.log.warn({ volume: found.volume, device }, 'the copied filesystem keeps the uuid of its source');
  operation.step('record uuid end');
  // Before it is mounted: from then on the record must not say any more that its journal is empty.
  const end = isSet ? { uuid: intent.uuid } : ({ uuid: provenance.uuid, copied: true } as const);
  const next = recordOf(found, { state: 'formatted', type, ...end });
  await writeProvenance(parts, found, { expected: intent.recorded, next }, deadline);
}

type Copied = Extract<Provenance, { state: 'formatted' }>;

const recordOf = ({ volume, head }: Preparation['found'], provenance: Copied): string =>
  formatProvenance(provenance, volume, head);

/** What is recorded of a change before it is made. */
interface Intent {
  readonly uuid: string;
  /** The record with it, as it stands in the image. */
  readonly recorded: string | undefined;
}

/** Undefined where the kernel does not mount it: the mount that follows says why. */
async function begin(
  { exec, ...parts }: OwnUuidParts,
  { found, device, type }: Preparation,
  { applyJournal }: UuidChange,
  uuid: string,
  directory: string,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): Promise<Intent | undefined> {
  operation.step('apply journal of copy');
  await makeStagingDirectory(directory);
  if (!(await applyJournal(exec, device, directory, deadline))) return undefined;
  operation.step('record uuid intent');
  const nextUuid = randomUUID();
  const recorded = recordOf(found, { state: 'formatted', type, uuid, copied: true, nextUuid });
  const expected = found.head.metadata.get(FILESYSTEM_KEY);
  await writeProvenance(parts, found, { expected, next: recorded }, deadline);
  return { uuid: nextUuid, recorded };
}
