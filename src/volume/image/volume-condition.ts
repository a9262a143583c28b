/** What a controller can say of a volume's condition: who has it open, by Ceph's watchers, against who may. */
import {
  readDeleteClaim,
  readHolderRecord,
  type DeleteClaim,
  type HolderRecord,
  type RecordHome,
} from '../../attachment/holder-record.js';
import { nameWithin } from '../../attachment/node-identity.js';
import { isBerthError } from '../../model/errors.js';
import type { Watcher } from '../../rbd/port.js';

/** `message` is for a person in either case. */
export interface Condition {
  readonly abnormal: boolean;
  readonly message: string;
}

interface Own {
  readonly instance: string;
  readonly installation: string;
}

/** Somebody wants it from a node that has not let go: stuck, unless that node is about to. */
function wantedElsewhere({ holders }: HolderRecord): Condition | undefined {
  const holder = holders.find(({ detachWanted }) => detachWanted !== undefined);
  if (holder === undefined) return undefined;
  const { node, detachWanted = '' } = holder;
  const what = `wanted elsewhere since ${detachWanted}, and node ${node} has it staged`;
  return { abnormal: true, message: `${what}: end its pods there; without any, berth unstage on that node` };
}

/** Modes in which several clients are as it should be. */
const SHARED = /^MULTI_NODE_/;

/**
 * From what a list reads anyway: records only. Nobody is asked who has the image open, which would open every image.
 */
export function conditionOfRecords(head: RecordHome, volume: string): Condition {
  try {
    const claim = readDeleteClaim(head, volume);
    if (claim !== undefined) return conditionOfClaim(claim);
    const record = readHolderRecord(head, volume);
    const stuck = record && wantedElsewhere(record);
    if (stuck !== undefined) return stuck;
    return { abnormal: false, message: 'its records are in order; ControllerGetVolume also looks at who has it open' };
  } catch (error) {
    if (!isBerthError(error, 'BERTH_RECORD_UNREADABLE')) throw error;
    return { abnormal: true, message: error.message };
  }
}

/** A delete that nobody repeats leaves a volume that nobody can use. */
export const conditionOfClaim = ({ deleting: [{ client, since }] }: DeleteClaim): Condition => ({
  abnormal: true,
  message: `it is being deleted since ${since}, by the Ceph client ${client}, and cannot be attached any more`,
});

/**
 * Watchers against the holder record. A watch lasts about 30 s longer than a client that died, and a missing one proves
 * nothing (a reader has none): only what cannot be right is abnormal.
 * @param own our own client instance, which may be at work on the image for another call, and our installation
 */
export function conditionOf(record: HolderRecord | undefined, watchers: readonly Watcher[], own: Own): Condition {
  const open = [...new Set(watchers.map(({ address }) => address))].filter((address) => address !== own.instance);
  const at = `open at ${open.join(', ')}`;
  if (record === undefined) {
    if (open.length === 0) return { abnormal: false, message: 'attached to no node, open nowhere' };
    return { abnormal: true, message: `attached to no node, yet ${at}; find that client with rbd status` };
  }
  const stuck = wantedElsewhere(record);
  if (stuck !== undefined) return stuck;
  const attached = `attached to ${record.holders.map((one) => nameWithin(one, own.installation)).join(', ')}`;
  if (open.length > 1 && !SHARED.test(record.mode)) {
    return { abnormal: true, message: `${attached} for a single node, yet ${at}; two writers destroy its content` };
  }
  return { abnormal: false, message: open.length === 0 ? `${attached}, not open for writing` : `${attached}, ${at}` };
}
