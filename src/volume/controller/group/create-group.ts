/**
 * CreateVolumeGroupSnapshot: one RBD snapshot of each image, all cut at one moment. The record of the group comes
 * first; what was cut counts once all members were seen to be whole and the record says so.
 */
import { randomBytes } from 'node:crypto';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { formatGroupId, GROUP_PREFIX, memberName } from '../../../model/snapshot/group-id.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageHead, ImageRef, RbdPort } from '../../../rbd/port.js';
import { locate, type Credentials } from '../../image/find-volume.js';
import { refuseHalfGrown } from '../../image/growth-record.js';
import { imageName } from '../../image/image-name.js';
import type { RunningOperation } from '../../operation/operations.js';
import type { ControllerSteps } from '../../operation/steps.js';
import type { ControllerOperations } from '../controller-operations.js';
import type { ForeignImages } from '../list/foreign-images.js';
import { goneError, isGoing } from '../snapshot/find-snapshot.js';
import { claimGroup, isGroupOf, waitForOther, type WantedGroup } from './claim-group.js';
import { seenGroup, type GroupLookup, type SeenGroup } from './find-group.js';
import { GroupRecords, type GroupMember, type GroupRecordsPort, type ReadGroup, groupKey } from './group-record.js';
import { removeMembers, type RemovalParts } from './remove-members.js';

export interface CreateGroupParts extends RemovalParts, GroupLookup {
  readonly clusters: Pick<Clusters, 'all' | 'image' | 'pool' | 'registry'>;
  readonly rbd: RemovalParts['rbd'] & GroupLookup['rbd'] & GroupRecordsPort & Pick<RbdPort, 'head'>;
  /** A worker of its own: librbd 16 may abort it where another program cuts a snapshot at the same moment. */
  readonly longWork: Pick<RbdPort, 'cutTogether'>;
  /** Told that an image has one now, which its lists are to show at once. */
  readonly withoutSnapshots: Pick<ForeignImages, 'forget'>;
  readonly operations: ControllerOperations;
  readonly now: () => Date;
}

export interface GroupRequest {
  readonly name: string;
  /** The sources. */
  readonly volumes: readonly string[];
  readonly secrets: Credentials | undefined;
}

/** One attempt on its way. */
interface Attempt {
  readonly parts: CreateGroupParts;
  readonly records: GroupRecords;
  readonly cluster: string;
  readonly wanted: WantedGroup;
  /** In the order in which everybody holds them. */
  readonly sources: readonly Source[];
  readonly secrets: Credentials | undefined;
  readonly operation: RunningOperation<ControllerSteps, 'createGroup'>;
  readonly deadline: Deadline;
}

interface Source {
  readonly volume: string;
  readonly at: ImageRef;
}

interface SeenSource extends Source {
  readonly head: ImageHead;
}

/** Each takes a thread of the worker as long as it is held. */
const MOST = 16;

/**
 * Take the group snapshot, or answer the one that is there. Writers of its volumes wait while it is cut.
 * BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_DELETING, BERTH_GROWTH_UNFINISHED of one of the volumes; BERTH_GROUP_UNFIT for
 * volumes of two clusters or without exclusive lock, BERTH_GROUP_EXISTS, BERTH_GROUP_PENDING, BERTH_GROUP_NOT_HELD,
 * BERTH_IMAGE_LOCKED, BERTH_IMAGE_EXCLUSIVE.
 */
export async function createGroup(
  parts: CreateGroupParts,
  { name: called, volumes, secrets }: GroupRequest,
  deadline: Deadline,
): Promise<SeenGroup> {
  const name = imageName(GROUP_PREFIX, called);
  const { cluster, sources } = await findSources(parts, volumes, secrets);
  // Refused here where it would not fit.
  formatGroupId({ cluster, name, attempt: '00000000' });
  const wanted: WantedGroup = { name, called, volumes };
  const what = { op: 'createGroup', fingerprint: sources.map(({ volume }) => volume).join('\n') } as const;
  return parts.operations.run(groupKey(cluster, name), what, deadline, async (operation, deadline) => {
    operation.step('look');
    const registry = await parts.clusters.registry(cluster, 'controller', deadline, secrets);
    const records = new GroupRecords(parts.rbd, registry);
    const attempt: Attempt = { parts, records, cluster, wanted, sources, secrets, operation, deadline };
    const taken = await takeUntilHeld(attempt);
    return seenGroup(parts, cluster, name, taken, secrets, deadline);
  });
}

async function findSources(
  { clusters }: CreateGroupParts,
  volumes: readonly string[],
  secrets: Credentials | undefined,
): Promise<{ readonly cluster: string; readonly sources: readonly Source[] }> {
  const field = 'source_volume_ids';
  if (new Set(volumes).size < volumes.length)
    throw berthError('BERTH_FIELD_INVALID', { field, why: 'a volume is named twice' });
  const sources: Source[] = [];
  // In the order of their handles: two groups over the same volumes wait for one another, and never in a circle.
  for (const volume of [...volumes].sort()) {
    const place = await locate(clusters, volume, 'controller', secrets);
    if (place === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
    sources.push({ volume, at: place.at });
  }
  const [first, ...others] = sources.map(({ at }) => at.access.cluster);
  if (first === undefined) throw berthError('BERTH_FIELD_MISSING', { field });
  const what = volumes.join(', ');
  const other = others.find((one) => one !== first);
  if (other !== undefined)
    throw berthError('BERTH_GROUP_UNFIT', { what, why: `they are in two clusters, ${first} and ${other}` });
  if (sources.length > MOST) throw berthError('BERTH_GROUP_UNFIT', { what, why: `they are more than ${MOST}` });
  return { cluster: first, sources };
}

/** Attempts at a cut that others get in the way of. */
const ATTEMPTS = 3;

/** Another controller may be at the same group, and each in the way of the other: its end is waited for then. */
async function takeUntilHeld(attempt: Attempt): Promise<ReadGroup> {
  const { parts, records, wanted, deadline } = attempt;
  for (let tries = 1; ; tries += 1) {
    try {
      return await takeGroup(attempt);
    } catch (error) {
      if (tries === ATTEMPTS || !isBerthError(error, 'BERTH_GROUP_NOT_HELD')) throw error;
      const present = await records.read(wanted.name, deadline);
      if (present?.state === 'taking') return waitForOther(records, wanted, parts.now().toISOString(), deadline);
    }
  }
}

async function takeGroup(attempt: Attempt): Promise<ReadGroup> {
  const { parts, records, wanted, secrets, operation, deadline } = attempt;
  const present = await records.read(wanted.name, deadline);
  // A group that was taken is the answer also when its volumes have gone since.
  if (present?.state === 'taken' && isGroupOf(present, wanted)) return present;
  const members = await membersNow(attempt);
  operation.step('claim name');
  const id = randomBytes(4).toString('hex');
  const at = parts.now().toISOString();
  const mine = { version: 1, state: 'taking', at, attempt: id, members } as const;
  const claimed = await claimGroup(records, wanted, mine, parts.now(), deadline);
  if (claimed.state === 'taken') return claimed;
  operation.step('clear earlier');
  for (const one of claimed.earlier) await removeMembers(parts, wanted.name, one, secrets, deadline);
  operation.step('take snapshots');
  const cut = await cutAll(attempt, claimed);
  operation.step('look at snapshots');
  await refuseGone(attempt, claimed, cut);
  operation.step('write taken');
  const taken = await records.change(wanted.name, claimed, { ...claimed, state: 'taken', members: cut }, deadline);
  if (taken !== undefined) return taken;
  operation.step('undo snapshots');
  await removeMembers(parts, wanted.name, claimed, secrets, deadline);
  return waitForOther(records, wanted, at, deadline);
}

/** BERTH_VOLUME_NOT_FOUND, BERTH_VOLUME_DELETING, BERTH_GROWTH_UNFINISHED. */
async function membersNow({ parts: { rbd }, sources, deadline }: Attempt): Promise<readonly GroupMember[]> {
  const heads = await Promise.all(sources.map(({ at }) => rbd.head(at, deadline)));
  return sources.map((source, n) => {
    const head = heads[n];
    if (head === undefined) throw goneError(source.volume, head);
    refuseUnfit({ ...source, head });
    return { volume: source.volume, imageId: head.id };
  });
}

function refuseUnfit({ volume, head }: SeenSource): void {
  if (isGoing(head, volume)) throw goneError(volume, head);
  refuseHalfGrown({ volume, head }, 'a snapshot of it would be half grown as well');
}

async function cutAll(attempt: Attempt, claimed: ReadGroup): Promise<readonly GroupMember[]> {
  const { parts, wanted, sources, deadline } = attempt;
  const images = claimed.members.map(({ imageId }, n) => {
    const { pool, namespace } = (sources[n] as Source).at;
    return { pool, namespace, imageId };
  });
  const snapshot = memberName({ name: wanted.name, attempt: claimed.attempt });
  try {
    const { access } = (sources[0] as Source).at;
    const ids = await parts.longWork.cutTogether(access, images, snapshot, deadline);
    for (const [n, { imageId }] of images.entries()) parts.withoutSnapshots.forget((sources[n] as Source).at, imageId);
    return claimed.members.map((member, n) => ({ ...member, snapshotId: String(ids[n]) }));
  } catch (error) {
    // Where the worker has not said its last word, a snapshot may still come: the record stays, and the retry clears.
    if (!isBerthError(error) || isBerthError(error, ...UNSURE)) throw error;
    await undo(attempt, claimed);
    throw error;
  }
}

const UNSURE = ['BERTH_WORKER_DIED', 'BERTH_DEADLINE', 'BERTH_SHUTTING_DOWN', 'BERTH_INTERNAL'] as const;

/** A delete that came before the cut may have begun to remove data; a growth may have been under way. */
async function refuseGone(attempt: Attempt, claimed: ReadGroup, members: readonly GroupMember[]): Promise<void> {
  const { parts, sources, deadline } = attempt;
  try {
    await Promise.all(
      members.map(async ({ imageId, snapshotId = '0' }, n) => {
        const source = sources[n] as Source;
        const found = await parts.rbd.snapshotById(source.at, imageId, BigInt(snapshotId), deadline);
        if (found === undefined) throw goneError(source.volume, undefined);
        refuseUnfit({ ...source, head: found.head });
      }),
    );
  } catch (error) {
    await undo(attempt, claimed);
    throw error;
  }
}

/** What was cut goes first, then the record by which it is found. */
async function undo(attempt: Attempt, claimed: ReadGroup): Promise<void> {
  const { parts, records, wanted, secrets, operation, deadline } = attempt;
  operation.step('undo snapshots');
  await removeMembers(parts, wanted.name, claimed, secrets, deadline);
  operation.step('give name back');
  await records.forget(wanted.name, claimed, deadline);
}
