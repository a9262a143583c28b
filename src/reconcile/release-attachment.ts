/**
 * Ends a VolumeAttachment that nobody else will end. It proves that the node cannot write any more and, on request,
 * takes the finalizer away.
 */
import { attacherFinalizer, type AttachmentFacts } from '../diagnosis/attachment/attachment-facts.js';
import { factsOf, type AttachmentApi, type ImageStates } from '../diagnosis/attachment/gather-attachment.js';
import type { ApiAttachment, Attachments } from '../kube/volume-attachments.js';
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';

export interface ReleaseParts {
  readonly api: AttachmentApi & Pick<Attachments, 'driver' | 'read' | 'liftFinalizer'>;
  readonly images: Pick<ImageStates, 'readHolders'>;
  /** What ControllerUnpublish does: it succeeds only where the node provably cannot write any more. */
  readonly detach: (volume: string, node: string, deadline: Deadline, unasked: boolean) => Promise<void>;
}

export interface ReleaseWish {
  readonly name: string;
  /** Undefined for csi-attacher's own. */
  readonly finalizer: string | undefined;
  /** The handle, where the PersistentVolume that named it is gone. */
  readonly volume: string | undefined;
  /** Without it the proof is made and nothing is changed. */
  readonly yes: boolean;
}

export interface Released {
  readonly proof: readonly string[];
  readonly finalizer: string;
  /** `shown`: nothing was changed. `gone`: somebody else had lifted the finalizer. */
  readonly outcome: 'shown' | 'lifted' | 'gone';
  /** Finalizers that keep the attachment all the same. */
  readonly keptBy: readonly string[];
}

/** What all of it may take, in ms. */
const BUDGET_MS = 60_000;

/**
 * Proves that the node of a VolumeAttachment that is to go cannot write any more and, with `yes`, takes the finalizer
 * away. Detaches before that where the image still names the node, by the use case that proves it
 * (BERTH_DETACH_UNPROVEN). BERTH_RELEASE_UNPROVEN where anything is missing, BERTH_KUBE_CONFLICT where the attachment
 * changed meanwhile.
 */
export async function releaseAttachment(parts: ReleaseParts, wish: ReleaseWish): Promise<Released> {
  const { api } = parts;
  const deadline = Deadline.after(BUDGET_MS);
  const seen = await api.read(wish.name, deadline);
  if (seen === undefined)
    throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'VolumeAttachment of this driver', name: wish.name });
  const finalizer = finalizerOf(seen, wish, api.driver);
  const facts = await factsFor(parts, seen, wish, deadline);
  const volume = facts.volume ?? '';
  if (facts.node.view === 'unknown') throw unproven(wish, 'nothing is known of its node');
  if (facts.node.view !== 'absent' && facts.node.view.ready === 'true' && facts.node.inUse.includes(volume)) {
    throw unproven(wish, `the kubelet of ${seen.node} lives and has it mounted`);
  }
  const proof = [`it is to go since ${seen.deletingSince ?? ''}`, await prove(parts, facts, wish, deadline)];
  const keptBy = seen.finalizers.filter((one) => one !== finalizer);
  if (!wish.yes) return { proof, finalizer, outcome: 'shown', keptBy };
  const wasThere = await api.liftFinalizer(seen, finalizer, deadline);
  return { proof, finalizer, outcome: wasThere ? 'lifted' : 'gone', keptBy };
}

const unproven = ({ name }: ReleaseWish, why: string): Error => berthError('BERTH_RELEASE_UNPROVEN', { name, why });

function finalizerOf(seen: ApiAttachment, wish: ReleaseWish, driver: string): string {
  if (seen.deletingSince === undefined) {
    throw unproven(wish, `nobody has asked it to go; kubectl delete volumeattachment ${wish.name}`);
  }
  const finalizer = wish.finalizer ?? attacherFinalizer(driver);
  if (seen.finalizers.includes(finalizer)) return finalizer;
  throw unproven(wish, `it has no finalizer ${finalizer}; it has ${seen.finalizers.join(', ') || 'none'}`);
}

/** The volume that a person names counts only where the API names none, and never against the API. */
async function factsFor(
  { api, images }: ReleaseParts,
  seen: ApiAttachment,
  wish: ReleaseWish,
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const { volume } = wish;
  const facts = await factsOf(api, images, seen, deadline);
  if (facts.volume !== undefined && volume !== undefined && facts.volume !== volume) {
    throw unproven(wish, `its volume is ${facts.volume}, not ${volume}`);
  }
  if (facts.volume !== undefined) return facts;
  if (facts.pv === 'unknown') throw unproven(wish, 'its PersistentVolume cannot be read');
  if (volume === undefined)
    throw unproven(wish, `its PersistentVolume ${seen.pv ?? ''} is gone; name its handle with --volume`);
  return { ...facts, volume, image: await images.readHolders(volume, true, deadline) };
}

async function prove(
  { images, detach }: ReleaseParts,
  { volume = '', nodeId, image }: AttachmentFacts,
  wish: ReleaseWish,
  deadline: Deadline,
): Promise<string> {
  if (image === 'absent') return `Ceph has no image of ${volume}`;
  if ('error' in image) throw unproven(wish, `what Ceph has of ${volume} is not known: ${image.error}`);
  const isNamed = image.holders.some(({ node }) => node === nodeId);
  const open = image.watchers ?? [];
  if (!isNamed) {
    // Somebody has it open whom no record names: it may be this very node.
    if (open.length > 0 && image.holders.length + image.elsewhere.length === 0)
      throw unproven(wish, `${volume} is open at ${open.join(', ')}, and nobody holds it`);
    return `the record of ${volume} does not name ${nodeId}: a detach was proved before`;
  }
  const where = open.length === 0 ? 'open nowhere' : `open at ${open.join(', ')}`;
  if (!wish.yes)
    return `none yet: ${volume} names ${nodeId} and is ${where}; --yes detaches it first, if that can be proved`;
  // The attachment is to go, and the kubelet does not have it mounted: a stage that still runs comes too late.
  await detach(volume, nodeId, deadline, true);
  const after = await images.readHolders(volume, true, deadline);
  if (after !== 'absent' && after.holders.some(({ node }) => node === nodeId))
    throw unproven(wish, `${volume} still names ${nodeId}`);
  return `${volume} was ${where} and has been detached from ${nodeId}`;
}
