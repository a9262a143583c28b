/** A volume's attachments and holders, each with what API, image and node say of it. */
import type { ApiAttachment } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { AttachmentFacts, Image } from '../attachment/attachment-facts.js';
import { factsOf, factsOfHolder, type AttachmentApi, type ImageStates } from '../attachment/gather-attachment.js';
import { toldOf } from '../message-of.js';
import type { ApiAsked, Bound } from './find-bound.js';
import type { Look } from './gather-claim.js';

export interface AttachmentsParts {
  /** Undefined without Kubernetes. */
  readonly api: ApiAsked | undefined;
  readonly images: Pick<ImageStates, 'readHolders'>;
}

/** They name the PersistentVolume, not the image: without it nobody can tell which are of this volume. */
export async function attachmentsOf(
  { api }: Pick<AttachmentsParts, 'api'>,
  { pvName, handle, isPvUnseen }: Bound,
  look: Look,
  deadline: Deadline,
): Promise<readonly ApiAttachment[] | undefined> {
  if (isPvUnseen) return undefined;
  const all = await look('volume attachment', async () => {
    if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'looking at VolumeAttachments' });
    return api.attachments.list(deadline);
  });
  const isInline = (one: ApiAttachment): boolean => handle !== undefined && one.inlineHandle === handle;
  return all?.filter((one) => (pvName !== undefined && one.pv === pvName) || isInline(one));
}

/** Of each attachment, and of each node that the record names without one. */
export async function factsOfAll(
  { api: asked, images }: AttachmentsParts,
  bound: Bound,
  attachments: readonly ApiAttachment[] | undefined,
  deadline: Deadline,
): Promise<{ readonly image: Image | undefined; readonly facts: readonly AttachmentFacts[] }> {
  const { handle, pvName } = bound;
  const api = asked && knowing(asked.attachments, bound);
  const asking = (attachments ?? []).flatMap((one) => (api === undefined ? [] : [factsOf(api, images, one, deadline)]));
  const facts: AttachmentFacts[] = await Promise.all(asking);
  if (handle === undefined) return { image: undefined, facts };
  const known = facts.find((one) => one.volume === handle)?.image;
  const image =
    known ?? (await images.readHolders(handle, true, deadline).catch((error: unknown) => ({ error: toldOf(error) })));
  // Whether a holder lacks an attachment can only be said by who could see those.
  if (api === undefined || attachments === undefined) return { image, facts };
  const holders = typeof image === 'object' && 'holders' in image ? image.holders : [];
  const others = holders.filter(({ node }) => !facts.some((one) => one.nodeId === node));
  const found = others.map(({ node }) => factsOfHolder(api, images, { volume: handle, nodeId: node }, deadline));
  for (const one of await Promise.all(found)) facts.push({ ...one, pv: pvName === undefined ? 'absent' : 'present' });
  return { image, facts };
}

/** The PersistentVolume was found already: it is not asked for once more for each attachment. */
const knowing = (api: AttachmentApi, { pvName, pv, claimName: claim, handle }: Bound): AttachmentApi => ({
  nodeOf: (name, deadline) => api.nodeOf(name, deadline),
  podsOf: (of, node, deadline) => api.podsOf(of, node, deadline),
  readVolume: (name, deadline) => api.readVolume(name, deadline),
  volumeNamed: (name) =>
    name === pvName && handle !== undefined ? { name, uid: pv?.uid ?? '', handle, claim } : api.volumeNamed(name),
  volumeOf: (of) => api.volumeOf(of),
});
