/** Who has an image open that this node handed over, as Ceph has it; nothing is changed. */
import { readHolderRecord, whyNotStaged, type HolderRecord } from '../../../attachment/holder-record.js';
import { isSameNode, type NodeIdentity } from '../../../attachment/node-identity.js';
import { describeWatchers, isOneOf } from '../../../attachment/unexplained-watchers.js';
import type { JournalEntry } from '../../../journal/entry.js';
import type { Deadline } from '../../../model/deadline.js';
import { parseVolumeId } from '../../../model/volume-id.js';
import type { Logger } from '../../../observe/log.js';
import type { RbdPort } from '../../../rbd/port.js';
import { removeHandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import { isOtherImage } from '../recovery/entry-image.js';
import { locate, type ImageLookup } from '../../image/find-volume.js';
import type { StillGuests } from './still-guests.js';

/** Who has an image open for writing; `unknown` where Ceph does not say. */
export type ImageUse = { readonly is: 'closed' | 'unknown' } | { readonly is: 'open'; readonly who: string };

export interface ImageUseParts extends ImageLookup {
  readonly rbd: Pick<RbdPort, 'head' | 'inspect'>;
  readonly self: NodeIdentity;
  readonly stillGuests: StillGuests;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * `closed` too for a volume that is gone, `unknown` for one that clusters.yaml does not list now: see
 * NodeHolderRecords.giveBack. Never fails.
 * @param entry undefined where the journal was lost
 */
export async function readImageUse(
  { clusters, rbd, self, stillGuests, log }: ImageUseParts,
  volume: string,
  entry: JournalEntry | undefined,
  deadline: Deadline,
): Promise<ImageUse> {
  const clients = entry?.guestClients ?? [];
  try {
    const place = await locate(clusters, volume, 'node', undefined);
    if (place === undefined) return { is: parseVolumeId(volume) === undefined ? 'closed' : 'unknown' };
    const head = await rbd.head(place.at, deadline);
    if (head === undefined) return { is: 'closed' };
    const { watchers } = await rbd.inspect(place.at, deadline);
    const record = readHolderRecord(head, volume);
    // Another node that was given the image since has it open by clients that are none of ours; one of them may have
    // been taken for the guest's before, while it was the only one.
    const theirs = record?.holders.filter((one) => !isSameNode(one, self)).flatMap((one) => one.clients ?? []) ?? [];
    const isHere = mayBeOpenHere(record, self);
    // The name may lead to another image by now: who has ours open cannot be asked by it.
    const seen = entry !== undefined && isOtherImage(entry, head) ? [] : watchers;
    const ours = isHere ? seen : seen.filter((one) => clients.includes(one.address) && !isOneOf(theirs, one));
    if (ours.length > 0) return { is: 'open', who: describeWatchers(ours) };
    // Where the record is not this node's any more its guest was fenced, or never had the image.
    const still = isHere ? await stillGuests() : [];
    if (still.length === 0) return { is: 'closed' };
    return { is: 'open', who: `${still.join(', ')}, which stands still, may have it open, and writes when it goes on` };
  } catch (error) {
    log.warn({ volume, err: error }, 'who has the image open could not be told; the holder record stays for now');
    return { is: 'unknown' };
  }
}

/**
 * For reconciliation: `closed` lets the record be given back. Removes a file that could not be removed before.
 * BERTH_HAND_OVER_FAILED.
 */
export async function imageUseNow(
  parts: ImageUseParts,
  entry: JournalEntry,
  deadline: Deadline,
): Promise<ImageUse['is']> {
  await removeHandOverFile(entry.stagingPath);
  return (await readImageUse(parts, entry.volume, entry, deadline)).is;
}

/** Does the record say that this node may have it open? One that says nothing at all does not say otherwise. */
const mayBeOpenHere = (record: HolderRecord | undefined, self: NodeIdentity): boolean =>
  record === undefined || whyNotStaged(record, self) === undefined;
