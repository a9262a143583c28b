/** From the handles of one or two snapshots to what lies between them, or the reason why that cannot be told. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import type { SnapshotSpan, SpanFacts } from '../../../rbd/port/diff-port.js';
import type { Credentials } from '../../image/find-volume.js';
import { findSnapshot, type FoundSnapshot, type SnapshotLookup } from '../snapshot/find-snapshot.js';

export interface SpanParts extends SnapshotLookup {
  /** Over the worker for long work: whoever attaches waits for no thread of it. */
  readonly longWork: Pick<RbdPort, 'spanFacts'>;
}

export interface SpanAsked {
  /** The handle of an earlier snapshot; undefined where all that there is at the target is asked for. */
  readonly base: string | undefined;
  readonly target: string;
  readonly secrets: Credentials | undefined;
}

export interface FoundSpan {
  readonly at: PoolRef;
  readonly span: SnapshotSpan;
  readonly facts: SpanFacts;
}

export const snapshotGoneError = (snapshot: string): Error => berthError('BERTH_SNAPSHOT_NOT_FOUND', { snapshot });

/** BERTH_SNAPSHOT_NOT_FOUND, BERTH_BASE_UNFIT, BERTH_CHANGES_UNTRACKED. */
export async function findSpan(parts: SpanParts, asked: SpanAsked, deadline: Deadline): Promise<FoundSpan> {
  const { base, target, secrets } = asked;
  const found = await mustFind(parts, target, secrets, deadline);
  const earlier = base === undefined ? undefined : await mustFind(parts, base, secrets, deadline);
  if (earlier !== undefined) refuseUnfit(earlier, found);
  const { at, id } = found;
  const span = { imageId: id.imageId, base: earlier?.id.snapshotId, target: id.snapshotId };
  const facts = await parts.longWork.spanFacts(at, span, deadline);
  // It has gone since it was looked at, or the other one has.
  if (facts === undefined) throw snapshotGoneError(base === undefined ? target : `${base} or ${target}`);
  if (base !== undefined && !facts.isTracked) throw berthError('BERTH_CHANGES_UNTRACKED', { base, target });
  return { at, span, facts };
}

async function mustFind(
  parts: SpanParts,
  handle: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
): Promise<FoundSnapshot> {
  const found = await findSnapshot(parts, handle, secrets, deadline);
  if (found === undefined) throw snapshotGoneError(handle);
  return found;
}

/** Ceph gives the ids of snapshots in the order in which they are cut. */
function refuseUnfit(base: FoundSnapshot, target: FoundSnapshot): void {
  const [one, other] = [base.id, target.id];
  const isSame =
    one.cluster === other.cluster &&
    one.pool === other.pool &&
    one.namespace === other.namespace &&
    one.imageId === other.imageId;
  const why = !isSame
    ? 'it is of another volume'
    : one.snapshotId >= other.snapshotId
      ? 'it is not the earlier one'
      : undefined;
  if (why !== undefined) throw berthError('BERTH_BASE_UNFIT', { base: base.handle, target: target.handle, why });
}
