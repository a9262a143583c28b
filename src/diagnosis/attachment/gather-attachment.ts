/** Reads the facts of one attachment from their homes; what cannot be read is a fact of its own. */
import type { ApiAttachment, Attachments } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { HoldersOfVolume } from '../../volume/image/read-holders.js';
import type { AttachmentFacts, Image } from './attachment-facts.js';

/** Ceph, as the use cases see it. */
export interface ImageStates {
  holding(volume: string, watchers: boolean, deadline: Deadline): Promise<HoldersOfVolume | 'absent'>;
  /** What ControllerUnpublish does: OK only where the node provably cannot write any more. */
  detach(volume: string, node: string, deadline: Deadline): Promise<void>;
  /** Volumes that somebody holds, by their records. */
  held(deadline: Deadline): Promise<readonly { readonly volume: string; readonly nodes: readonly string[] }[]>;
}

export type Api = Pick<
  Attachments,
  | 'driver'
  | 'isFresh'
  | 'all'
  | 'list'
  | 'read'
  | 'nodeOf'
  | 'readVolume'
  | 'volumeNamed'
  | 'volumeOf'
  | 'liftFinalizer'
>;

/** Of an attachment of the API, as it stands now; never fails. */
export async function factsOf(
  api: Api,
  ceph: ImageStates,
  attachment: ApiAttachment,
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const [node, { pv, volume }] = await Promise.all([
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
  };
}

/** Of a holder that the API does not know. */
export async function factsOfHolder(
  api: Api,
  ceph: ImageStates,
  { volume, nodeId }: { readonly volume: string; readonly nodeId: string },
  deadline: Deadline,
): Promise<AttachmentFacts> {
  const [node, image] = await Promise.all([api.nodeOf(nodeId, deadline), imageOf(ceph, volume, deadline)]);
  const pv = api.volumeOf(volume) === undefined ? 'absent' : 'present';
  return { attachment: undefined, pv, volume, nodeName: nodeId, nodeId, node, image };
}

async function volumeOf(
  api: Api,
  { pv, inlineHandle }: ApiAttachment,
  deadline: Deadline,
): Promise<Pick<AttachmentFacts, 'pv' | 'volume'>> {
  if (pv === undefined) return { pv: 'unknown', volume: inlineHandle };
  const seen = api.volumeNamed(pv);
  if (seen !== undefined) return { pv: 'present', volume: seen.handle };
  try {
    const read = await api.readVolume(pv, deadline);
    if (read === 'absent') return { pv: 'absent', volume: undefined };
    return { pv: 'present', volume: read?.handle };
  } catch {
    return { pv: 'unknown', volume: undefined };
  }
}

async function imageOf(ceph: ImageStates, volume: string | undefined, deadline: Deadline): Promise<Image> {
  if (volume === undefined) return { error: 'its handle is not known' };
  try {
    return await ceph.holding(volume, true, deadline);
  } catch (error) {
    return { error: isBerthError(error) ? error.message : 'an unexpected error, see the log' };
  }
}
