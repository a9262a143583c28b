/**
 * What a mount and an unmount of FlexVolume are made of: acts of the node, each within an operation that runs already.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Journal } from '../../journal/journal.js';
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { PublishVolume } from '../node/publish-volume.js';
import type { StageVolume } from '../node/stage-decisions.js';
import type { UnpublishVolume } from '../node/unpublish-volume.js';
import type { UnstageVolume } from '../node/unstage-volume.js';
import type { NodeOperation, RunningOperation } from '../operation/operations.js';
import type { NodeSteps } from '../operation/steps.js';

/** A mount or an unmount, made of the acts below. */
export type OperationOfActs = Pick<RunningOperation<NodeSteps, keyof NodeSteps>, 'within'>;

/**
 * The acts of the node's calls with the same names (volume/node),
 * inside of the caller's operation instead of their own.
 */
export interface VolumeActs {
  readonly stage: (request: StageVolume, operation: NodeOperation<'stage'>, deadline: Deadline) => Promise<void>;
  readonly publish: (request: PublishVolume, operation: NodeOperation<'publish'>, deadline: Deadline) => Promise<void>;
  /** The target path is a resolved one. */
  readonly unpublish: (
    request: UnpublishVolume,
    operation: NodeOperation<'unpublish'>,
    deadline: Deadline,
  ) => Promise<void>;
  /** The staging path is a resolved one. */
  readonly unstage: (request: UnstageVolume, operation: NodeOperation<'unstage'>, deadline: Deadline) => Promise<void>;
}

/** Where a volume is staged that nobody stages. */
export const ownStagingPath = (root: string, volume: string): string =>
  path.join(root, createHash('sha256').update(volume).digest('hex').slice(0, 32));

/**
 * What we staged by ourselves goes with its last pod; a volume that another pod has, or that somebody staged, stays.
 */
export async function unstageWithoutPods(
  { journal, acts }: { readonly journal: Pick<Journal, 'read'>; readonly acts: Pick<VolumeActs, 'unstage'> },
  volume: string,
  operation: OperationOfActs,
  deadline: Deadline,
): Promise<void> {
  const entry = await journal.read(volume);
  if (entry?.withPods !== true || Object.keys(entry.targets).length > 0) return;
  await unstageIfUnused(acts, { volume, stagingPath: entry.stagingPath }, operation, deadline);
}

/** Somebody who has the volume in use keeps it staged, and that is no error. */
export async function unstageIfUnused(
  acts: Pick<VolumeActs, 'unstage'>,
  request: UnstageVolume,
  operation: OperationOfActs,
  deadline: Deadline,
): Promise<void> {
  try {
    await acts.unstage(request, operation.within('unstage'), deadline);
  } catch (error) {
    if (!isBerthError(error, 'BERTH_VOLUME_IN_USE')) throw error;
  }
}
