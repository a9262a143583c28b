/**
 * Completes a create that was cut short between the image and its record.
 *
 * An image of our name without our record is either that, or somebody else's. Ceph is asked whether anything was ever
 * written to it: an image without a single byte is safe to take, and one with data never is.
 */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { ImageHead, RbdPort } from '../../../rbd/port.js';
import { LABELS } from '../../image/parameters.js';
import { FILESYSTEM_KEY, parseProvenance } from '../../image/provenance.js';
import { VOLUME_KEY } from '../../image/volume-record.js';
import { metadataOf, type CreatePlan } from './create-plan.js';

export interface CompleteCreateParts {
  readonly rbd: Pick<RbdPort, 'inspect' | 'isEmpty' | 'setMetadata' | 'compareAndSet'>;
  readonly log: Pick<Logger, 'warn'>;
  readonly now: () => Date;
}

/** BERTH_IMAGE_FOREIGN unless the image, which has no record of ours, can only be what such a create left. */
export async function refuseForeignImage(
  { rbd }: { readonly rbd: Pick<RbdPort, 'inspect' | 'isEmpty'> },
  plan: CreatePlan,
  head: ImageHead,
  deadline: Deadline,
): Promise<void> {
  refuseForeignHead(plan, head);
  const { parent, snapshots, watchers } = await rbd.inspect(plan.at, deadline);
  if (parent !== undefined || snapshots.length > 0) throw foreignError(plan, 'it has a parent or snapshots');
  if (watchers.length > 0) throw foreignError(plan, `it is open at ${watchers.map((one) => one.address).join(', ')}`);
  if (!(await rbd.isEmpty(plan.at, deadline))) throw foreignError(plan, 'it holds data');
}

/** BERTH_IMAGE_FOREIGN for what no create that was cut short, of this plan, leaves in a header. */
export function refuseForeignHead(plan: CreatePlan, head: ImageHead): void {
  if (![...head.metadata].every(isLeftByUs(plan.volume, head)))
    throw foreignError(plan, 'it has metadata of somebody else');
  const have = chosenFeatures(head.features);
  if (chosenFeatures(plan.shape.features) !== have) throw foreignError(plan, `it has the features ${have}`);
}

export const foreignError = ({ at: { image } }: Pick<CreatePlan, 'at'>, why: string): Error =>
  berthError('BERTH_IMAGE_FOREIGN', { image, why });

/** What such a create may have left: nothing at all, or the first entries of {@link completeCreate}. */
const isLeftByUs =
  (volume: string, head: ImageHead) =>
  ([key]: readonly [string, string]): boolean =>
    LABELS.includes(key) || (key === FILESYSTEM_KEY && parseProvenance(head, volume).state === 'never');

/** Features that Ceph adds, or leaves out, by itself. */
const IMPLIED_FEATURES = ['data-pool', 'striping'];

const chosenFeatures = (features: readonly string[]): string =>
  features
    .filter((one) => !IMPLIED_FEATURES.includes(one))
    .sort()
    .join(',');

/**
 * Write the metadata that is missing. Each entry goes by compare-and-set, so that nothing is overwritten that another
 * controller wrote meanwhile. The record goes last, so that an image which has it lacks nothing. False where another
 * controller wrote the record first.
 */
export async function completeCreate(
  { rbd, log, now }: CompleteCreateParts,
  plan: CreatePlan,
  head: ImageHead,
  deadline: Deadline,
): Promise<boolean> {
  const { id } = head;
  const { at, volume, parameters } = plan;
  log.warn({ volume }, 'completing a create that was cut short: the image was empty and had no record');
  const entries = metadataOf(plan, head, now());
  if (parameters.labels.size > 0) await rbd.setMetadata(at, id, parameters.labels, deadline);
  await rbd.compareAndSet(at, id, FILESYSTEM_KEY, undefined, entries.get(FILESYSTEM_KEY), deadline);
  return rbd.compareAndSet(at, id, VOLUME_KEY, undefined, entries.get(VOLUME_KEY), deadline);
}
