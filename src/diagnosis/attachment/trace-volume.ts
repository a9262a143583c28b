/** Everything about one volume, from its claim to the clients that have its image open, gathered and compared. */
import type { ApiAttachment, ApiVolume, Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import type { AttachmentFacts, AttachmentFinding, Image } from './attachment-facts.js';
import { judge } from './decide-attachment.js';
import { factsOf, factsOfHolder, type AttachmentApi, type ImageStates } from './gather-attachment.js';

export interface TraceParts {
  /** Undefined without Kubernetes. */
  readonly api:
    | (AttachmentApi & Pick<Attachments, 'driver' | 'list' | 'listVolumes' | 'volumeNameOfClaim'>)
    | undefined;
  readonly images: Pick<ImageStates, 'readHolders'>;
  /** What this node's journal says of the volume, in a line. */
  readonly journal: (volume: string) => Promise<string>;
  readonly now: () => Date;
}

/** A volume under the name that a person gave. */
export interface NamedVolume {
  /** Undefined where Kubernetes has none of it, or was not asked. */
  readonly pv: ApiVolume | undefined;
  readonly handle: string;
}

export interface VolumeTrace extends NamedVolume {
  /** Undefined where they could not be listed, for {@link whyNoAttachments}. */
  readonly attachments: readonly ApiAttachment[] | undefined;
  readonly whyNoAttachments: string | undefined;
  /** Of each attachment, then of each node that the record names without one. */
  readonly facts: readonly AttachmentFacts[];
  readonly image: Image;
  readonly journal: string;
  /** Undefined where API and image could not be compared. */
  readonly stuck: readonly AttachmentFinding[] | undefined;
}

/** What all readings may take, in ms. */
const BUDGET_MS = 30_000;

/**
 * Of the volume that is named by its claim (`namespace/name`), its PersistentVolume or its handle; undefined for a
 * claim that is bound to nothing. BERTH_KUBE_OFF for a name that only Kubernetes knows, BERTH_KUBE_NOT_FOUND.
 */
export async function traceVolume(parts: TraceParts, name: string): Promise<VolumeTrace | undefined> {
  const deadline = Deadline.after(BUDGET_MS);
  const named = await findNamed(parts, name, deadline);
  if (named === undefined) return undefined;
  const { handle, pv } = named;
  const { api, images, now } = parts;
  const seen = await attachmentsOf(parts, named, deadline);
  const attachments = typeof seen === 'string' ? undefined : seen;
  const facts: AttachmentFacts[] = [];
  for (const one of attachments ?? []) if (api !== undefined) facts.push(await factsOf(api, images, one, deadline));
  const image = facts.find((one) => one.volume === handle)?.image ?? (await imageOf(parts, handle, deadline));
  // Whether a holder lacks an attachment can only be said by who could see those.
  if (api !== undefined && attachments !== undefined) {
    const others = holdersIn(image).filter(({ node }) => !facts.some((one) => one.nodeId === node));
    const found = others.map(({ node }) => factsOfHolder(api, images, { volume: handle, nodeId: node }, deadline));
    for (const one of await Promise.all(found)) facts.push({ ...one, pv: pv === undefined ? 'absent' : 'present' });
  }
  return {
    pv,
    handle,
    attachments,
    whyNoAttachments: typeof seen === 'string' ? seen : undefined,
    facts,
    image,
    journal: await parts.journal(handle),
    stuck: api === undefined || attachments === undefined ? undefined : judgeAll(facts, now(), api.driver),
  };
}

function judgeAll(facts: readonly AttachmentFacts[], now: Date, driver: string): readonly AttachmentFinding[] {
  const measure = { now: now.toISOString(), ageMs: 0, driver };
  return facts.flatMap((one) => judge(one, measure) ?? []);
}

async function findNamed({ api }: TraceParts, name: string, deadline: Deadline): Promise<NamedVolume | undefined> {
  // A handle has three parts or four, a claim two, a PersistentVolume one.
  if (name.split('/').length > 2) {
    if (parseVolumeId(name) === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: name });
    const all = await api?.listVolumes(deadline).catch(() => undefined);
    return { pv: all?.find((one) => one.handle === name), handle: name };
  }
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding the volume of ${name}` });
  const [namespace = '', claim] = name.includes('/') ? name.split('/') : ['', undefined];
  const pvName = claim === undefined ? name : await api.volumeNameOfClaim(namespace, claim, deadline);
  if (pvName === '') return undefined;
  const pv = await api.readVolume(pvName, deadline);
  if (pv === 'absent') throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolume', name: pvName });
  if (pv === undefined)
    throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: `${pvName}, a PersistentVolume of another driver,` });
  return { pv, handle: pv.handle };
}

/** A string says why they are not known. */
async function attachmentsOf(
  { api }: TraceParts,
  { handle, pv }: NamedVolume,
  deadline: Deadline,
): Promise<readonly ApiAttachment[] | string> {
  if (api === undefined) return 'no Kubernetes API is configured';
  try {
    const all = await api.list(deadline);
    return all.filter((one) => (pv !== undefined && one.pv === pv.name) || one.inlineHandle === handle);
  } catch (error) {
    // An API that is down, or an account that may not ask (a node's): what Ceph and the journal say is worth more than
    // an error.
    return isBerthError(error) ? error.message : String(error);
  }
}

async function imageOf({ images }: TraceParts, handle: string, deadline: Deadline): Promise<Image> {
  try {
    return await images.readHolders(handle, true, deadline);
  } catch (error) {
    return { error: isBerthError(error) ? error.message : String(error) };
  }
}

const holdersIn = (image: Image) => (typeof image === 'object' && 'holders' in image ? image.holders : []);
