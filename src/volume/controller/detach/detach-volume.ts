/**
 * ControllerUnpublish: removes a node from the holder record, only where that node provably cannot write any more.
 * Where the policy allows, the node is fenced, which proves it.
 */
import { decideDetachment } from '../../../attachment/decide-detach.js';
import { readHolderRecord } from '../../../attachment/holder-record.js';
import type { HolderRecords } from '../../../attachment/holder-records.js';
import type { Installation } from '../../../attachment/node-identity.js';
import type { Announce } from '../../../attachment/node-state.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Logger } from '../../../observe/log.js';
import type { Clusters } from '../../../rbd/clusters.js';
import { findVolume, refuseUnlisted, type Credentials, type ImageLookup } from '../../image/find-volume.js';
import type { Operation } from '../../operation/operations.js';
import type { ControllerOperations } from '../controller-operations.js';
import { nodeNamed, ownHolders } from '../own-holders.js';
import { dropUsersOfDetached, type DropUsersParts } from '../users/drop-users.js';
import { gatherDetachFacts, type Detachment, type DetachFactsParts } from './detach-facts.js';
import { fenceHolders, type FenceHoldersParts, type HolderVerdict } from './fence-holders.js';

export type DetachParts = ImageLookup &
  DetachFactsParts &
  FenceHoldersParts &
  DropUsersParts & {
    readonly clusters: Pick<Clusters, 'listed'>;
    readonly holderRecords: Pick<HolderRecords, 'detach' | 'wantDetach'>;
    readonly installation: Pick<Installation, 'known'>;
    readonly operations: ControllerOperations;
    readonly announce: Announce;
    readonly log: Pick<Logger, 'info' | 'warn'>;
  };

/** After a fence everything is asked again, and so it is where a holder changed meanwhile. */
const ATTEMPTS = 4;

type DetachOperation = Operation<'watchers' | 'fence' | 'holder record' | 'drop user'>;

export interface DetachVolume {
  readonly volume: string;
  /** '' for every node. */
  readonly node: string;
  readonly secrets: Credentials | undefined;
  /** It was made sure that nobody asks for the volume there: a stage that still runs may be made to fail. */
  readonly unasked?: boolean;
}

/**
 * Take the volume from a node, '' for every node. A volume or holder that is gone is a success. BERTH_DETACH_UNPROVEN,
 * which is not final for the orchestrator, keeps the attachment: the other node must not get it before the first
 * provably cannot write.
 */
export async function detachVolume(parts: DetachParts, request: DetachVolume, deadline: Deadline): Promise<void> {
  const { volume, node, secrets, unasked = false } = request;
  const about = node === '' ? {} : { part: node };
  const what = { op: 'detach', ...about, fingerprint: JSON.stringify([node, unasked]) } as const;
  await parts.operations.run(volume, what, deadline, async (operation, deadline) => {
    await detachWithin(parts, { volume, node, secrets, unasked }, operation, deadline);
    if (parts.volumeUsers === undefined) return;
    // Behind the record, which says then that nobody uses the key in good faith; and behind a fence, for a key that is
    // gone ends nothing that is open.
    operation.step('drop user');
    await nonFinal(volume, node, () => dropUsersOfDetached(parts, { volume, node, secrets }, deadline));
  });
}

async function detachWithin(
  parts: DetachParts,
  { volume, node, secrets, unasked }: Required<DetachVolume>,
  operation: Operation<'look'> & DetachOperation,
  deadline: Deadline,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    operation.step('look');
    const found = await findVolume(parts, volume, 'controller', secrets, deadline);
    if (found === undefined) return refuseUnlisted(parts.clusters, volume);
    const record = readHolderRecord(found.head, volume);
    if (record === undefined) return;
    const isDone = () => tryDetach(parts, { found, record, node, secrets, unasked }, operation, deadline);
    if (await nonFinal(volume, node === '' ? record.holders[0].node : node, isDone)) return;
  }
  throw berthError('BERTH_RECORD_CONTENDED', { volume, times: ATTEMPTS });
}

/** What is to be taken from a node ('' for every one), by the record as it was read. */
export interface DetachTry extends Pick<Detachment, 'found' | 'record' | 'secrets' | 'unasked'> {
  readonly node: string;
}

/** True when it is done; false where the image has to be read again. BERTH_DETACH_UNPROVEN. */
async function tryDetach(
  parts: DetachParts,
  asked: DetachTry,
  operation: DetachOperation,
  deadline: Deadline,
): Promise<boolean> {
  const detachment = await detachmentOf(parts, asked, deadline);
  if (detachment.holders.length === 0) return true;
  const facts = await gatherDetachFacts(parts, detachment, operation, deadline);
  const verdicts = facts.map((one) => ({ holder: one.holder, verdict: decideDetachment(one) }));
  if (await fenceHolders(parts, detachment, verdicts, operation, deadline)) return false;
  operation.step('holder record');
  if (!(await removeGone(parts, detachment, verdicts, deadline))) return false;
  await noteWish(parts, detachment, verdicts, deadline);
  refuseUnproven(parts.announce, detachment.found.volume, verdicts);
  return true;
}

/** Those of the record that are to go: of this installation, by this name. */
export async function detachmentOf(
  parts: Pick<DetachParts, 'clusters' | 'nodes' | 'installation'>,
  { node, ...asked }: DetachTry,
  deadline: Deadline,
): Promise<Detachment> {
  const { found, record, secrets } = asked;
  const registry = () => parts.clusters.registry(found.id.cluster, 'controller', deadline, secrets);
  const named = await nodeNamed(parts.installation, node, deadline);
  const holders = await ownHolders({ nodes: parts.nodes, registry }, record, named, deadline);
  return { ...asked, holders, installation: named.installation };
}

/** False where one of them has changed since it was decided. */
async function removeGone(
  { holderRecords, log }: Pick<DetachParts, 'holderRecords' | 'log'>,
  { found: { at, head, volume } }: Detachment,
  verdicts: readonly HolderVerdict[],
  deadline: Deadline,
): Promise<boolean> {
  const gone = verdicts.flatMap(({ holder, verdict }) =>
    verdict.kind === 'gone' ? [{ holder, evidence: verdict.evidence }] : [],
  );
  const holders = gone.map(({ holder }) => holder);
  if (holders.length > 0 && !(await holderRecords.detach(at, head, volume, holders, deadline))) return false;
  for (const { holder, evidence } of gone) log.info({ volume, node: holder.node, evidence }, 'detached');
  return true;
}

/**
 * A node that lives and has the volume staged may have been forgotten by its kubelet, which unstages nothing then: it
 * finds the wish in its record. For the first of them, as the refusal is; the call comes again.
 */
async function noteWish(
  { holderRecords, log }: Pick<DetachParts, 'holderRecords' | 'log'>,
  { found }: Detachment,
  verdicts: readonly HolderVerdict[],
  deadline: Deadline,
): Promise<void> {
  const { at, head, volume } = found;
  const waits = verdicts.find(({ verdict }) => verdict.kind === 'wait')?.holder;
  if (waits?.state !== 'staged' && waits?.state !== 'staging') return;
  try {
    await holderRecords.wantDetach(at, head, volume, waits, deadline);
  } catch (error) {
    log.warn({ volume, err: error }, 'that a detach is wanted could not be written down');
  }
}

function refuseUnproven(announce: Announce, volume: string, verdicts: readonly HolderVerdict[]): void {
  for (const { holder, verdict } of verdicts) {
    if (verdict.kind !== 'wait') continue;
    const { why, todo } = verdict;
    const { node } = holder;
    const message = `stays attached to ${node}: ${why}; ${todo}`;
    announce({ kind: 'Warning', reason: 'DetachWaits', message, about: { volume, node } });
    throw berthError('BERTH_DETACH_UNPROVEN', { volume, node, why, todo });
  }
}

/**
 * To an attacher, any status but these says that the volume is
 * surely detached (kubernetes-csi/external-attacher, isFinalError).
 */
const NON_FINAL = new Set(['ABORTED', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED']);

async function nonFinal<T>(volume: string, node: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isBerthError(error) || NON_FINAL.has(error.status)) throw error;
    const todo = 'see the log of the controller';
    throw berthError('BERTH_DETACH_UNPROVEN', { volume, node, why: error.message, todo }, error);
  }
}
