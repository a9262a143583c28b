/**
 * May a node that sets out to map an image write so into the holder record: a pure decision over the record and what
 * the node shows for its right, so that every combination can be a test.
 */
import { berthError, type BerthError } from '../model/errors.js';
import { beyondGrant, decideAttach, withoutHolder, type AttachDecision, type AttachRequest } from './decide-attach.js';
import { isOtherGrant, type Holder, type HolderRecord } from './holder-record.js';
import { isSameNode, nameHolder, type NodeIdentity } from './node-identity.js';

/**
 * What a node shows for its right to a volume. `attach`: an attacher rules, and this is the grant that it passed on;
 * undefined where the attach was one of a Berth that named none. `node`: nobody attaches, the node takes it itself.
 */
export type Right = { readonly by: 'attach'; readonly grant: string | undefined } | { readonly by: 'node' };

export interface TakeRequest extends AttachRequest {
  /** Of this boot of the node: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  readonly right: Right;
}

export type TakeDecision = Exclude<AttachDecision, { readonly kind: 'held' }>;

/**
 * May the node take it, and what does the record say then, but for the node's state? Where an attacher rules the record
 * has to name this node by this very grant: a call that comes after the detach takes nothing anew
 * (BERTH_GRANT_OUTDATED). `now` is an ISO 8601 time.
 */
export function decideTake(record: HolderRecord | undefined, request: TakeRequest, now: string): TakeDecision {
  const { volume, node, right } = request;
  const mine = record?.holders.find((one) => isSameNode(one, node));
  const why = right.by === 'attach' ? whyOutdated(record, { mine, node }, right.grant) : undefined;
  if (why !== undefined) return { kind: 'refused', error: outdatedError(volume, node.node, why) };
  return record !== undefined && mine?.by === 'controller' ? asGranted(record, request) : anew(record, request, now);
}

/** Why the grant that a node shows is not the one that the record has for it; undefined where it is. */
function whyOutdated(
  record: HolderRecord | undefined,
  { mine, node }: { readonly mine: Holder | undefined; readonly node: NodeIdentity },
  grant: string | undefined,
): string | undefined {
  if (mine === undefined) {
    const nodes = record?.holders.map((one) => nameHolder(one, node)).join(', ');
    return nodes === undefined ? 'it is attached to no node' : `it is attached to ${nodes}`;
  }
  if (mine.grant === grant) return undefined;
  if (mine.grant === undefined && mine.by === 'controller' && isOfNode(mine)) return undefined;
  return isOtherGrant(mine.grant, grant) ? 'it was detached and attached anew since' : 'it was attached in another way';
}

/**
 * Refuses a call that speaks of another attach than that by which the volume is staged: either the call is of one that
 * has ended, or what is staged is, and another node may have written to the image in between. Where one of the two is
 * not known nothing is refused. BERTH_GRANT_OUTDATED.
 * @param shown the grant of the call
 */
export function refuseOtherGrant(
  node: string,
  staged: { readonly volume: string; readonly grant?: string },
  shown: string | undefined,
): void {
  const { volume, grant } = staged;
  if (!isOtherGrant(grant, shown)) return;
  throw outdatedError(volume, node, 'it is staged there by another attach');
}

const outdatedError = (volume: string, node: string, why: string): BerthError =>
  berthError('BERTH_GRANT_OUTDATED', { volume, node, why });

/** Written by the node since it was granted: a node of an earlier Berth left the grant's name out. */
const isOfNode = ({ state }: Holder): boolean => state !== undefined && state !== 'granted';

/** What the attach granted is enough, and no more than that may be used. BERTH_BEYOND_ATTACH. */
function asGranted(record: HolderRecord, request: TakeRequest): TakeDecision {
  const why = beyondGrant(record, request);
  if (why === undefined) return { kind: 'write', next: record };
  return { kind: 'refused', error: berthError('BERTH_BEYOND_ATTACH', { volume: request.volume, why }) };
}

/** What this node took itself it may take in another mode as well, as if it had given it back in between. */
function anew(record: HolderRecord | undefined, request: TakeRequest, now: string): TakeDecision {
  const others = withoutHolder(record, request.node);
  const since = record?.holders.find((one) => isSameNode(one, request.node))?.since ?? now;
  const decision = decideAttach(others === 'keep' ? record : others, request, since);
  if (decision.kind === 'held') throw new Error('held by what was left out');
  return decision;
}
