/** Reads the facts of one attachment from their homes; what cannot be read is a fact of its own. */
import type { ApiAttachment, Attachments } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import type { ClusterHealth } from '../../rbd/port.js';
import type { ImageDescription } from '../../volume/image/look/describe-image.js';
import type { HoldersOfVolume } from '../../volume/image/read-holders.js';
import { toldOf } from '../message-of.js';
import type { AttachmentFacts, Image } from './attachment-facts.js';

/** What images say of those who have them: read through the use cases, never past them. */
export interface ImageStates {
  /** @param watchers whether to ask who has it open as well, which costs an open */
  readHolders(volume: string, watchers: boolean, deadline: Deadline): Promise<HoldersOfVolume | 'absent'>;
  /**
   * Volumes whose record names a node.
   * @param leftOut told why of each place that could not be asked; the volumes of the others are there
   */
  listHolders(
    deadline: Deadline,
    leftOut: (why: Error) => void,
  ): Promise<readonly { readonly volume: string; readonly nodes: readonly string[] }[]>;
}

/** What else images say, and who has them open that nobody explains: for who looks at one of them. */
export interface ImageDescriptions {
  /** Undefined where there is no such image. */
  describe(volume: string, deadline: Deadline): Promise<ImageDescription | undefined>;
  /** What the monitors of its cluster report; no OSD is asked. BERTH_CLUSTER_UNKNOWN, and the errors of the port. */
  health(volume: string, deadline: Deadline): Promise<ClusterHealth>;
}

/** The API of one attachment's node and volume. */
export type AttachmentApi = Pick<Attachments, 'nodeOf' | 'podsOf' | 'readVolume' | 'volumeNamed' | 'volumeOf'>;

/** Of an attachment of the API, as it stands now; never fails. */
export async function factsOf(
  api: AttachmentApi,
  ceph: Pick<ImageStates, 'readHolders'>,
  attachment: ApiAttachment,
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const [node, { pv, volume, claim }] = await Promise.all([
    api.nodeOf(attachment.node, deadline),
    volumeOf(api, attachment, deadline),
  ]);
  const nodeId = attachment.nodeId ?? node.nodeId ?? attachment.node;
  return {
    attachment,
    pv,
    volume,
    nodeName: attachment.node,
    nodeId,
    node,
    image: await imageOf(ceph, volume, deadline),
    pods: await podsIn(api, { attachment, node, volume, claim }, deadline),
  };
}

/** Asked only where somebody has to end them: to be detached, and the kubelet says that it is mounted. */
async function podsIn(
  api: Pick<AttachmentApi, 'podsOf'>,
  { attachment, node, volume, claim }: Pick<AttachmentFacts, 'node' | 'volume'> & Attached,
  deadline: Deadline,
): Promise<AttachmentFacts['pods']> {
  const isWanted = attachment.deletingSince !== undefined && volume !== undefined && node.inUse.includes(volume);
  if (!isWanted || claim === undefined) return undefined;
  try {
    return await api.podsOf(claim, attachment.node, deadline);
  } catch (error) {
    return { error: toldOf(error) };
  }
}

interface Attached {
  readonly attachment: ApiAttachment;
  readonly claim: string | undefined;
}

/** Of a holder that the API does not know. */
export async function factsOfHolder(
  api: AttachmentApi,
  ceph: Pick<ImageStates, 'readHolders'>,
  { volume, nodeId }: { readonly volume: string; readonly nodeId: string },
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const [node, image] = await Promise.all([api.nodeOf(nodeId, deadline), imageOf(ceph, volume, deadline)]);
  const pv = api.volumeOf(volume) === undefined ? 'absent' : 'present';
  return { attachment: undefined, pv, volume, nodeName: nodeId, nodeId, node, image };
}

async function volumeOf(
  api: AttachmentApi,
  { pv, inlineHandle }: ApiAttachment,
  deadline: Deadline,
): Promise<Pick<AttachmentFacts, 'pv' | 'volume'> & Pick<Attached, 'claim'>> {
  if (pv === undefined) return { pv: 'unknown', volume: inlineHandle, claim: undefined };
  const seen = api.volumeNamed(pv);
  if (seen !== undefined) return { pv: 'present', volume: seen.handle, claim: seen.claim };
  try {
    const read = await api.readVolume(pv, deadline);
    if (read === 'absent') return { pv: 'absent', volume: undefined, claim: undefined };
    return { pv: 'present', volume: read?.handle, claim: read?.claim };
  } catch {
    return { pv: 'unknown', volume: undefined, claim: undefined };
  }
}

async function imageOf(
  ceph: Pick<ImageStates, 'readHolders'>,
  volume: string | undefined,
  deadline: Deadline,
): Promise<Image> {
  if (volume === undefined) return { error: 'its handle is not known' };
  try {
    return await ceph.readHolders(volume, true, deadline);
  } catch (error) {
    return { error: toldOf(error) };
  }
}
