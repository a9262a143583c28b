/** Ceph users of volumes whose attach is over: a detach that was cut short behind the record left them. */
import { readHolderRecord } from '../../../attachment/holder-record.js';
import { VolumeUsers, type RecordedUser, type UserRecordPort } from '../../../attachment/users/volume-users.js';
import { userOf } from '../../../attachment/users/volume-user.js';
import type { Deadline } from '../../../model/deadline.js';
import type { PoolRef } from '../../../rbd/port.js';
import { locate, type ImageLookup } from '../../image/find-volume.js';
import { unlessUnreadable, type Garbage } from './garbage.js';

export interface UserGarbageParts extends ImageLookup {
  readonly rbd: ImageLookup['rbd'] & UserRecordPort;
  readonly now: () => Date;
}

/** Looked through also where none are made any more. */
export const usersOf = ({ rbd, now }: Pick<UserGarbageParts, 'rbd' | 'now'>): VolumeUsers => new VolumeUsers(rbd, now);

/**
 * One whose attach no record names. A grant is written into the record before its user is made, and is never given
 * again: so its age is no question. Two operations.
 */
export async function judgeUser(
  parts: UserGarbageParts,
  registry: PoolRef,
  seen: RecordedUser,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const { user, node, grant } = seen;
  if (user === undefined || user.state === 'dropped' || (await isInUse(parts, seen, deadline))) return undefined;
  const remove = async (_known: unknown, deadline: Deadline): Promise<boolean> =>
    !(await isInUse(parts, seen, deadline)) && usersOf(parts).drop(registry, seen, deadline);
  return {
    kind: 'volume-user',
    cluster: registry.access.cluster,
    where: `client.${userOf(grant)}`,
    says: `a Ceph user of volume ${user.volume} for node ${node.node}, whose attach is over`,
    since: user.at,
    end: { remove },
  };
}

/** Also where that cannot be told: a place that the clusters file does not list may have the volume. */
async function isInUse(
  { clusters, rbd }: UserGarbageParts,
  { user, grant }: RecordedUser,
  deadline: Deadline,
): Promise<boolean> {
  if (user?.state === 'dropping') return false;
  const place = await locate(clusters, user?.volume ?? '', 'controller', undefined);
  if (user === undefined || place === undefined) return true;
  const head = await rbd.head(place.at, deadline);
  if (head === undefined) return false;
  const record = unlessUnreadable(() => readHolderRecord(head, user.volume));
  return record === 'unreadable' || record?.holders.some((one) => one.grant === grant) === true;
}
