/** The VolumeAttachments, and the holders without one, that are stuck now, whatever their age, with the reasons. */
import type { Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import { workThrough } from '../../model/settle-all.js';
import { toldOf } from '../message-of.js';
import type { AttachmentFinding } from './attachment-facts.js';
import { judge } from './decide-attachment.js';
import { factsOf, type AttachmentApi, type ImageStates } from './gather-attachment.js';
import { skipSilent } from './skip-silent.js';
import { asOfNow, findUnattached } from './unattached-holders.js';

export interface StuckParts {
  readonly api: AttachmentApi & Pick<Attachments, 'driver' | 'list' | 'listVolumes'>;
  readonly images: Pick<ImageStates, 'readHolders' | 'listHolders'>;
  readonly now: () => Date;
}

export interface StuckAttachments {
  /** How many there are, stuck or not. */
  readonly all: number;
  readonly stuck: readonly AttachmentFinding[];
  /** Why holders without an attachment could not be looked for, at all or in some place; undefined where they were. */
  readonly whyNoHolders: string | undefined;
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
  const ceph = skipSilent(images);
  await workThrough(all, WIDTH, async (one) => {
    const finding = judge(await factsOf(api, ceph, one, deadline), measure);
    if (finding !== undefined) stuck.push(finding);
  });
  const whyNot: string[] = [];
  try {
    const unattached = await findUnattached(await asOfNow(api, deadline), ceph, deadline, (why) => {
      whyNot.push(toldOf(why));
    });
    stuck.push(...unattached.flatMap((one) => judge(one, measure) ?? []));
  } catch (error) {
    whyNot.push(toldOf(error));
  }
  return { all: all.length, stuck, whyNoHolders: whyNot.length === 0 ? undefined : whyNot.join('; ') };
}
