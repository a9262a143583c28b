/**
 * Takes a node out of a volume's record for which no VolumeAttachment asks, or where there is no Kubernetes at all: it
 * shows by which proof, and refuses where there is none.
 */
import { asOfNow, attachmentOf, type UnattachedApi } from '../diagnosis/attachment/unattached-holders.js';
import type { Attachments } from '../kube/volume-attachments.js';
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { DetachProof } from '../volume/controller/detach/prove-detach.js';

export interface ReleaseHolderParts {
  /** Undefined without Kubernetes: then the person is the only one who can say that nobody asks for the volume. */
  readonly api: (UnattachedApi & Pick<Attachments, 'listVolumes'>) | undefined;
  /** What a detach would go by; undefined where the record does not name the node. Nobody asks for the volume there. */
  readonly prove: (volume: string, node: string, deadline: Deadline) => Promise<DetachProof | undefined>;
  /** What ControllerUnpublish does, where nobody asks for the volume there. */
  readonly detach: (volume: string, node: string, deadline: Deadline) => Promise<void>;
}

export interface HolderWish {
  readonly node: string;
  /** The handle. */
  readonly volume: string;
  /** Without it the proof is shown and nothing is changed. */
  readonly yes: boolean;
}

export interface ReleasedHolder extends HolderWish {
  readonly facts: readonly string[];
  /** Why the node provably cannot write, or what is to be fenced for it. */
  readonly evidence: string;
  /** `absent`: the record does not name the node. */
  readonly outcome: 'shown' | 'released' | 'absent';
}

/** What all of it may take, in ms. */
const BUDGET_MS = 60_000;

/**
 * BERTH_HOLDER_WANTED where a VolumeAttachment asks for it or the kubelet has it mounted, BERTH_HOLDER_UNPROVEN where
 * the node may write still, BERTH_DETACH_UNPROVEN where that came to be so meanwhile.
 */
export async function releaseHolder(parts: ReleaseHolderParts, wish: HolderWish): Promise<ReleasedHolder> {
  const { prove, detach } = parts;
  const { volume, node, yes } = wish;
  const deadline = Deadline.after(BUDGET_MS);
  const why = await whyWanted(parts, wish, deadline);
  if (why !== undefined) throw berthError('BERTH_HOLDER_WANTED', { volume, node, why });
  const proof = await prove(volume, node, deadline);
  if (proof === undefined) return { ...wish, facts: [], evidence: '', outcome: 'absent' };
  const { facts, verdict } = proof;
  if (verdict.kind === 'wait') {
    const { why, todo } = verdict;
    throw berthError('BERTH_HOLDER_UNPROVEN', { volume, node, why, facts: facts.join('; '), todo });
  }
  const clients = verdict.kind === 'fence' ? verdict.clients.map((one) => one.address).join(', ') : '';
  const evidence = verdict.kind === 'fence' ? `to be fenced (${clients}): ${verdict.evidence}` : verdict.evidence;
  if (!yes) return { ...wish, facts, evidence, outcome: 'shown' };
  await detach(volume, node, deadline);
  return { ...wish, facts, evidence, outcome: 'released' };
}

async function whyWanted(
  { api }: Pick<ReleaseHolderParts, 'api'>,
  { volume, node }: HolderWish,
  deadline: Deadline,
): Promise<string | undefined> {
  if (api === undefined) return undefined;
  const now = await asOfNow(api, deadline);
  const asking = attachmentOf(now, await api.list(deadline), { volume, nodeId: node });
  if (asking?.deletingSince !== undefined)
    return `VolumeAttachment ${asking.name} is to go, and berth attachments --release ${asking.name} ends both`;
  if (asking !== undefined) return `VolumeAttachment ${asking.name} asks for it`;
  const { inUse } = await api.nodeOf(node, deadline);
  return inUse.includes(volume) ? 'the kubelet of that node has it mounted: end its pods there' : undefined;
}
