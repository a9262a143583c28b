/** What a snapshot is called in RBD: made from its CSI name, so that it is found again by it. */
import { imageName } from '../../image/image-name.js';
import { parseMemberName } from '../../../model/snapshot/group-id.js';
import type { Snapshot } from '../../../rbd/port/snapshot-port.js';

/** Tells ours from those that people and other programs make; they are neither listed nor deleted. */
const PREFIX = 'berth-snap-';

/** A plain name stays readable; any other becomes a hash. */
export const snapshotName = (name: string): string => imageName(PREFIX, name);

const isOurName = (name: string): boolean => name.startsWith(PREFIX) || parseMemberName(name) !== undefined;

/**
 * One that CreateSnapshot made, or a member of a group, and that was not deleted: one that only its clones keep is gone
 * for everybody else.
 */
export const isOurSnapshot = ({ kind, name }: Snapshot): boolean => kind === 'user' && isOurName(name);

/** One of ours whose removal was cut short: nothing keeps it any more, and nobody would remove it. */
export const isHalfRemoved = ({ kind, nameBefore, cloneCount }: Snapshot): boolean =>
  kind === 'trash' && cloneCount === 0 && nameBefore !== undefined && isOurName(nameBefore);
