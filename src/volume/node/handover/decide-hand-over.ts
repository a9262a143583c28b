/**
 * Whether a volume may be handed over at a directory, decided from what this node and the image's record have of it.
 */
import type { Holder } from '../../../attachment/holder-record.js';
import { podOfPath } from '../../../host/users/pod-of-process.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { FilesystemType } from '../../../model/capability.js';
import { berthError } from '../../../model/errors.js';

export interface HandOverAsked {
  readonly volume: string;
  /** Resolved. */
  readonly directory: string;
  readonly fsType: FilesystemType;
  /** False where the caller leaves it to what is on the image. */
  readonly isTypeAsked: boolean;
  readonly readOnly: boolean;
}

export interface HandOverFacts {
  readonly entry: JournalEntry | undefined;
  /** By the entry; without an entry, any of the volume that the kernel has. Not asked for what is handed over. */
  readonly device: string | undefined;
  /** Of the hand-over that the entry tells of. */
  readonly hasFile: boolean;
  /** This node's part in the image's holder record. */
  readonly holder: Pick<Holder, 'state' | 'bootId'> | undefined;
  readonly bootId: string;
}

/**
 * `renew file`: handed over here already, and a guest may have it open, so nothing
 * but the file is touched. `prepare`: nothing on this node stands in the way; what is
 * left of an earlier try goes first. BERTH_VOLUME_IN_USE, BERTH_PUBLISHED_OTHERWISE.
 */
export function decideHandOver(asked: HandOverAsked, facts: HandOverFacts): 'renew file' | 'prepare' {
  const { entry, device, hasFile } = facts;
  const { volume, directory } = asked;
  if (entry?.handedTo === undefined) {
    if (device === undefined) return 'prepare';
    const how = entry === undefined ? `it is mapped as ${device}` : `${device}, for ${entry.stagingPath}`;
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `this node: ${how}` });
  }
  if (entry.stagingPath !== directory) {
    // Whoever removed the file has given the image up. Ceph is asked later whether a guest still has it open.
    if (entry.state === 'unstaging' || !hasFile) return 'prepare';
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: describePlace(entry.stagingPath) });
  }
  if (entry.state !== 'staged') return 'prepare';
  const what = differenceOf(entry, asked);
  if (what !== undefined) throw berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path: directory, what });
  return isOursSinceBoot(facts) ? 'renew file' : 'prepare';
}

function differenceOf(entry: JournalEntry, { fsType, isTypeAsked, readOnly }: HandOverAsked): string | undefined {
  if (isTypeAsked && entry.fsType !== fsType) return 'filesystem';
  return entry.readOnly === readOnly ? undefined : 'readonly flag';
}

/**
 * Only a record that says staged, in this boot, leads a fence to the guest. Otherwise the image is handed over anew.
 */
const isOursSinceBoot = ({ holder, bootId }: HandOverFacts): boolean =>
  holder?.state === 'staged' && holder.bootId === bootId;

function describePlace(directory: string): string {
  const pod = podOfPath(directory);
  return pod === undefined ? `hyperd, by ${directory}` : `pod ${pod}, by ${directory}`;
}
