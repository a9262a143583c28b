/**
 * `berth attachments`: what is stuck; with `--release`, the proof that a detach is safe and, on request, the end of its
 * finalizer.
 */
import type { ApiAttachment, Attachments } from '../kube/volume-attachments.js';
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { judge } from '../diagnosis/attachment/decide-attachment.js';
import { attacherFinalizer, type AttachmentFacts } from '../diagnosis/attachment/attachment-facts.js';
import { factsOf, type ImageStates } from '../diagnosis/attachment/gather-attachment.js';

export interface AttachmentsRoom {
  readonly api: Attachments;
  readonly ceph: ImageStates;
  readonly now: () => Date;
}

export interface Release {
  readonly name: string;
  /** Undefined for the attacher's own. */
  readonly finalizer: string | undefined;
  /** The handle, where the PersistentVolume that named it is gone. */
  readonly volume: string | undefined;
  /** Without it the proof is shown and nothing is changed. */
  readonly yes: boolean;
}

export interface Told {
  readonly text: string;
  readonly exitCode: number;
}

const BUDGET_MS = 60_000;
/** Attachments looked at together. */
const WIDTH = 8;

/** One line for each that is stuck, whatever its age; exit code 2 where there is one. */
export async function stuckAttachments({ api, ceph, now }: AttachmentsRoom): Promise<Told> {
  const deadline = Deadline.after(BUDGET_MS);
  const all = await api.list(deadline);
  const measure = { now: now().toISOString(), ageMs: 0, driver: api.driver };
  const lines: string[] = [];
  for (let i = 0; i < all.length; i += WIDTH) {
    const facts = await Promise.all(all.slice(i, i + WIDTH).map((one) => factsOf(api, ceph, one, deadline)));
    for (const { reason, says } of facts.flatMap((one) => judge(one, measure) ?? [])) lines.push(`${reason}: ${says}`);
  }
  return {
    text: `${[...lines, `${all.length} attachments, ${lines.length} stuck`].join('\n')}\n`,
    exitCode: lines.length > 0 ? 2 : 0,
  };
}

/**
 * Shows why the node of a VolumeAttachment that is to go cannot write any more and, with `yes`, takes the finalizer
 * away. Detaches before that where the image still names the node, by the use case that proves it
 * (BERTH_DETACH_UNPROVEN). BERTH_RELEASE_UNPROVEN where anything is missing, BERTH_KUBE_CONFLICT where the attachment
 * changed meanwhile.
 */
export async function release({ api, ceph }: AttachmentsRoom, wish: Release): Promise<Told> {
  const deadline = Deadline.after(BUDGET_MS);
  const unproven = (why: string): Error => berthError('BERTH_RELEASE_UNPROVEN', { name: wish.name, why });
  const seen = await api.read(wish.name, deadline);
  if (seen === undefined)
    throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'VolumeAttachment of this driver', name: wish.name });
  const finalizer = finalizerOf(seen, wish, api.driver, unproven);
  const proof: string[] = [`it is to go since ${seen.deletingSince ?? ''}`];
  const facts = await factsFor(api, ceph, seen, wish, deadline);
  const volume = facts.volume ?? '';
  if (facts.node.view === 'unknown') throw unproven('nothing is known of its node');
  if (facts.node.view !== 'absent' && facts.node.view.ready === 'true' && facts.node.inUse.includes(volume)) {
    throw unproven(`the kubelet of ${seen.node} lives and has it mounted`);
  }
  proof.push(...(await prove(ceph, facts, wish.yes, unproven, deadline)));
  const lines = proof.map((one) => `proof: ${one}`);
  if (!wish.yes) {
    const text = [...lines, `finalizer ${finalizer} would be lifted; nothing was changed, --yes does it`].join('\n');
    return { text: `${text}\n`, exitCode: 2 };
  }
  const wasThere = await api.liftFinalizer(seen, finalizer, deadline);
  const rest = seen.finalizers.filter((one) => one !== finalizer);
  const left = rest.length === 0 ? 'the attachment goes' : `it is kept by ${rest.join(', ')}`;
  const end = wasThere ? `finalizer ${finalizer} lifted, ${left}` : 'it was gone already';
  return { text: `${[...lines, end].join('\n')}\n`, exitCode: 0 };
}

function finalizerOf(seen: ApiAttachment, wish: Release, driver: string, unproven: (why: string) => Error): string {
  if (seen.deletingSince === undefined) {
    throw unproven(`nobody has asked it to go; kubectl delete volumeattachment ${wish.name}`);
  }
  const finalizer = wish.finalizer ?? attacherFinalizer(driver);
  if (seen.finalizers.includes(finalizer)) return finalizer;
  throw unproven(`it has no finalizer ${finalizer}; it has ${seen.finalizers.join(', ') || 'none'}`);
}

/** With the volume that a person names, where nothing else does; never against what the API says. */
async function factsFor(
  api: Attachments,
  ceph: ImageStates,
  seen: ApiAttachment,
  { name, volume }: Release,
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const unproven = (why: string): Error => berthError('BERTH_RELEASE_UNPROVEN', { name, why });
  const facts = await factsOf(api, ceph, seen, deadline);
  if (facts.volume !== undefined && volume !== undefined && facts.volume !== volume) {
    throw unproven(`its volume is ${facts.volume}, not ${volume}`);
  }
  if (facts.volume !== undefined) return facts;
  if (facts.pv === 'unknown') throw unproven('its PersistentVolume cannot be read');
  if (volume === undefined)
    throw unproven(`its PersistentVolume ${seen.pv ?? ''} is gone; name its handle with --volume`);
  return { ...facts, volume, image: await ceph.holding(volume, true, deadline) };
}

async function prove(
  ceph: ImageStates,
  { volume = '', nodeId, image }: AttachmentFacts,
  yes: boolean,
  unproven: (why: string) => Error,
  deadline: Deadline,
): Promise<readonly string[]> {
  if (image === 'absent') return [`Ceph has no image of ${volume}`];
  if ('error' in image) throw unproven(`what Ceph has of ${volume} is not known: ${image.error}`);
  const isHeld = image.holders.some(({ node }) => node === nodeId);
  const open = image.watchers ?? [];
  if (!isHeld) {
    // Somebody has it open whom no record names: it may be this very node.
    if (open.length > 0 && image.holders.length === 0)
      throw unproven(`${volume} is open at ${open.join(', ')}, and nobody holds it`);
    return [`the record of ${volume} does not name ${nodeId}: a detach was proved before`];
  }
  const where = open.length === 0 ? 'open nowhere' : `open at ${open.join(', ')}`;
  if (!yes)
    return [`none yet: ${volume} names ${nodeId} and is ${where}; --yes detaches it first, if that can be proved`];
  await ceph.detach(volume, nodeId, deadline);
  const after = await ceph.holding(volume, true, deadline);
  if (after !== 'absent' && after.holders.some(({ node }) => node === nodeId))
    throw unproven(`${volume} still names ${nodeId}`);
  return [`${volume} was ${where} and has been detached from ${nodeId}`];
}
