/** What a snapshot is called in RBD: made from its CSI name, so that it is found again by it. */
import { imageName } from '../../image/image-name.js';
import { parseMemberName } from '../../../model/snapshot/group-id.js';
import type { Snapshot } from '../../../rbd/port/snapshot-port.js';

/** Tells ours from those that people and other programs make; they are neither listed nor deleted. */
const PREFIX = 'berth-snap-';

/** A plain name stays readable; any other becomes a hash. */
export const snapshotName = (name: string): string => imageName(PREFIX, name);

/**
 * One that CreateSnapshot made, or a member of a group, and that was not deleted: one that only its clones keep is gone
 * for everybody else.
 */
export const isOurSnapshot = ({ kind, name }: Snapshot): boolean =>
  kind === 'user' && (name.startsWith(PREFIX) || parseMemberName(name) !== undefined);
