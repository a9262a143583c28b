/** What a clone's header says of its link to its parent, and what keeps the link from being cut. */
import type { KnownMetadata, LinkObstacle, ParentSnapshot } from '../../../port/clone-port.js';
import type { ImageHead } from '../../../port.js';
import { readHeaderAnd, SNAPSHOTS, snapshotContextIn } from '../image-header.js';
import type { OpenPool } from '../open-pool.js';
import { parentIn } from './clone-parent.js';

export interface Link {
  readonly head: ImageHead;
  readonly parent: ParentSnapshot;
  /** The newest snapshot id that was ever given, as the header has it. */
  readonly sequence: bigint;
  readonly snapshots: number;
}

/** Kept by librbd in a way that a copy behind its back would not keep, or that both sides of a pair have to follow. */
const UNFIT: readonly string[] = ['journaling', 'migrating', 'non-primary', 'dirty-cache'];

/** One operation; undefined where it stands on nothing. @throws CephErrno ENOENT */
export async function readLink(place: OpenPool, imageId: string): Promise<Link | undefined> {
  const { head, kin, answers } = await readHeaderAnd(place, imageId, [SNAPSHOTS]);
  const parent = await parentIn(place, kin);
  if (parent === undefined) return undefined;
  const { sequence, ids } = snapshotContextIn(answers[0]);
  return { head, parent, sequence, snapshots: ids.length };
}

/** A lock that a person has laid on an image keeps librbd waiting without end. */
export function obstacleIn({ head, snapshots }: Link, { key, value }: KnownMetadata): LinkObstacle | undefined {
  if ((head.metadata.get(key) ?? '') !== (value ?? '')) return 'changed';
  if (snapshots > 0) return 'snapshots';
  if (head.features.some((one) => UNFIT.includes(one) || one.startsWith('bit-'))) return 'unfit';
  return head.locks.length > 0 ? 'open' : undefined;
}
