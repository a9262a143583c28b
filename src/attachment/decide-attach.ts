/** Who may hold a volume: a pure decision over the record and the request, so that every combination can be a test. */
import { isMultiNode, isReaderMode, type AccessMode } from '../model/capability.js';
import { berthError, type BerthError } from '../model/errors.js';
import { imageOf } from '../model/volume-id.js';
import type { Holder, HolderRecord } from './holder-record.js';
import { isSameNode, nameHolder, recordedNode, type NodeIdentity } from './node-identity.js';

export interface AttachRequest {
  readonly volume: string;
  readonly node: NodeIdentity;
  readonly mode: AccessMode;
  readonly access: 'block' | 'mount';
  readonly readOnly: boolean;
  readonly by: Holder['by'];
  /** What this attach is called where it is granted; none for what a node takes itself. */
  readonly grant?: string;
}

export type AttachDecision =
  | { readonly kind: 'held' }
  | { readonly kind: 'write'; readonly next: HolderRecord }
  | { readonly kind: 'refused'; readonly error: BerthError };

const differs = (record: HolderRecord, request: AttachRequest): string | undefined => {
  if (record.access !== request.access) return 'access type';
  if (record.mode !== request.mode) return 'access mode';
  return record.readOnly === request.readOnly ? undefined : 'readonly flag';
};

/**
 * May `request.node` hold the volume, and what must the record say then? A grant that is repeated keeps its name, also
 * where an earlier Berth gave it none. `now` is an ISO 8601 time.
 */
export function decideAttach(record: HolderRecord | undefined, request: AttachRequest, now: string): AttachDecision {
  const { node, mode, access, readOnly, volume } = request;
  const holder = holderOf(request, now);
  if (record === undefined) {
    const image = imageOf(volume);
    const about = image === undefined ? {} : { image };
    return { kind: 'write', next: { version: 1, ...about, mode, access, readOnly, holders: [holder] } };
  }
  const difference = differs(record, request);
  const mine = record.holders.find((one) => isSameNode(one, node));
  if (mine !== undefined) {
    if (difference === undefined) {
      if (request.by !== 'controller') return { kind: 'held' };
      if (mine.by === 'node') return adoptGrant(record, request);
      return mine.detachWanted === undefined ? { kind: 'held' } : wantNoDetach(record, node);
    }
    return {
      kind: 'refused',
      error: berthError('BERTH_PUBLISHED_OTHERWISE', { volume, path: `node ${node.node}`, what: difference }),
    };
  }
  // A machine that was replaced may be frozen: its successor waits for the detach that proves that it cannot write.
  const former = record.holders.find((one) => isSameNode(one, { ...node, machine: undefined }));
  // Two nodes only where both were promised company, and in the same way: a reader beside a writer sees torn blocks.
  if (former === undefined && isMultiNode(record.mode) && isMultiNode(mode) && difference === undefined) {
    return { kind: 'write', next: { ...record, holders: [...record.holders, holder] } };
  }
  const first = former ?? record.holders[0];
  return {
    kind: 'refused',
    error: berthError('BERTH_VOLUME_HELD', { volume, holder: nameHolder(first, node), since: first.since }),
  };
}

function holderOf({ node, by, grant }: AttachRequest, now: string): Holder {
  const named = grant === undefined ? {} : { grant };
  return { ...recordedNode(node), since: now, by, ...named, ...(by === 'controller' ? { state: 'granted' } : {}) };
}

/** Attached again: what was to leave the node stays, and the node must not take it down. */
function wantNoDetach(record: HolderRecord, node: NodeIdentity): AttachDecision {
  const [first, ...rest] = record.holders;
  const stays = (one: Holder): Holder => (isSameNode(one, node) ? withoutWish(one) : one);
  return { kind: 'write', next: { ...record, holders: [stays(first), ...rest.map(stays)] } };
}

const withoutWish = (holder: Holder): Holder =>
  Object.fromEntries(Object.entries(holder).filter(([key]) => key !== 'detachWanted')) as unknown as Holder;

/**
 * What the node took itself becomes the attach's: the node must not give that back any more when it unstages. What it
 * has staged goes on, and is staged again by the name of this attach only.
 */
function adoptGrant(record: HolderRecord, { node, grant }: AttachRequest): AttachDecision {
  const [first, ...rest] = record.holders;
  const named = grant === undefined ? {} : { grant };
  const mine = (one: Holder): Holder => ({
    ...withoutWish(one),
    ...recordedNode(node, one),
    by: 'controller',
    ...named,
  });
  const granted = (one: Holder): Holder => (isSameNode(one, node) ? mine(one) : one);
  return { kind: 'write', next: { ...record, holders: [granted(first), ...rest.map(granted)] } };
}

/**
 * How a node that stages would go beyond what its attach was granted; undefined where it does not. Less is always fine.
 */
export function beyondGrant(record: HolderRecord, request: AttachRequest): string | undefined {
  if (record.access !== request.access) return `it was attached as ${record.access}, asked for ${request.access}`;
  if (request.readOnly || !(record.readOnly || isReaderMode(record.mode))) return undefined;
  return 'it was attached read-only, asked for writable';
}

/** What the record says without `node`: undefined where nobody is left, 'keep' where the node is not in it. */
export function withoutHolder(record: HolderRecord | undefined, node: NodeIdentity): HolderRecord | undefined | 'keep' {
  if (record === undefined) return 'keep';
  const left = record.holders.filter((one) => !isSameNode(one, node));
  if (left.length === record.holders.length) return 'keep';
  const [first, ...rest] = left;
  return first === undefined ? undefined : { ...record, holders: [first, ...rest] };
}
