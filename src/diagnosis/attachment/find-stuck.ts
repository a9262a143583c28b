/** The VolumeAttachments that are stuck now, whatever their age, each with its reason. */
import type { Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import type { AttachmentFinding } from './attachment-facts.js';
import { judge } from './decide-attachment.js';
import { factsOf, type AttachmentApi, type ImageStates } from './gather-attachment.js';

export interface StuckParts {
  readonly api: AttachmentApi & Pick<Attachments, 'driver' | 'list'>;
  readonly images: Pick<ImageStates, 'readHolders'>;
  readonly now: () => Date;
}

export interface StuckAttachments {
  /** How many there are, stuck or not. */
  readonly all: number;
  readonly stuck: readonly AttachmentFinding[];
}

/** What all readings may take, in ms. */
const BUDGET_MS = 60_000;
/** Attachments examined at the same time. */
const WIDTH = 8;

/** Errors of the API where the attachments cannot be listed. */
export async function findStuckAttachments({ api, images, now }: StuckParts): Promise<StuckAttachments> {
  const deadline = Deadline.after(BUDGET_MS);
  const all = await api.list(deadline);
  const measure = { now: now().toISOString(), ageMs: 0, driver: api.driver };
  const stuck: AttachmentFinding[] = [];
  for (let i = 0; i < all.length; i += WIDTH) {
    const facts = await Promise.all(all.slice(i, i + WIDTH).map((one) => factsOf(api, images, one, deadline)));
    stuck.push(...facts.flatMap((one) => judge(one, measure) ?? []));
  }
  return { all: all.length, stuck };
}
