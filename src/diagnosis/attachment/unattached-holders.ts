/** Holders that images name and for which the API has no VolumeAttachment, in any state and whoever took them. */
import type { ApiAttachment, Attachments } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { workThrough } from '../../model/settle-all.js';
import type { AttachmentFacts } from './attachment-facts.js';
import { factsOfHolder, type AttachmentApi, type ImageStates } from './gather-attachment.js';

/** The API of holders: what asks for them, and their nodes. */
export type UnattachedApi = AttachmentApi & Pick<Attachments, 'list'>;

/** For a process that watches nothing: the PersistentVolumes as they are now. Errors of the API. */
export async function asOfNow(
  api: UnattachedApi & Pick<Attachments, 'listVolumes'>,
  deadline: Deadline,
): Promise<UnattachedApi> {
  const volumes = await api.listVolumes(deadline);
  const byName = new Map(volumes.map((one) => [one.name, one]));
  // Of several of one handle the first, as the watch answers.
  const byHandle = new Map(volumes.toReversed().map((one) => [one.handle, one]));
  return {
    list: (deadline) => api.list(deadline),
    nodeOf: (name, deadline) => api.nodeOf(name, deadline),
    podsOf: (claim, node, deadline) => api.podsOf(claim, node, deadline),
    readVolume: (name, deadline) => api.readVolume(name, deadline),
    volumeNamed: (name) => byName.get(name),
    volumeOf: (handle) => byHandle.get(handle),
  };
}

/** Holders whose nodes and images are asked at the same time. */
const WIDTH = 8;

/** A node in a volume's record. */
export interface NamedHolder {
  readonly volume: string;
  /** As the record calls it. */
  readonly nodeId: string;
}

/**
 * The facts of each. Errors of the API, and of a cluster where none can be asked: nothing can be said then.
 * @param leftOut told why of each place that could not be asked
 */
export async function findUnattached(
  api: UnattachedApi,
  ceph: Pick<ImageStates, 'readHolders' | 'listHolders'>,
  deadline: Deadline,
  leftOut: (why: Error) => void,
): Promise<readonly AttachmentFacts[]> {
  const recorded = await ceph.listHolders(deadline, leftOut);
  // Read after the records: an attachment exists before its record, so one that is being made cannot be missed.
  const wanted = await byNode(api, await api.list(deadline));
  const facts: AttachmentFacts[] = [];
  await workThrough(recorded, WIDTH, async ({ volume, nodes }) => {
    for (const nodeId of nodes) {
      const handles = wanted.get(nodeId);
      if (handles?.has(volume) === true || handles?.has(ANY) === true) continue;
      facts.push(await factsOfHolder(api, ceph, { volume, nodeId }, deadline));
    }
  });
  return facts;
}

/** In the place of a handle: an attachment without its PersistentVolume may be for any volume. */
const ANY = undefined;

/** Which volumes attachments want on a node, by each of its names: one look answers for a holder. */
async function byNode(
  api: Pick<AttachmentApi, 'volumeNamed'>,
  known: readonly ApiAttachment[],
): Promise<ReadonlyMap<string, ReadonlySet<string | undefined>>> {
  const found = new Map<string, Set<string | undefined>>();
  await workThrough(known, 1, (one) => {
    const handle = handleOf(api, one) ?? ANY;
    add(found, one.node, handle);
    if (one.nodeId !== undefined && one.nodeId !== one.node) add(found, one.nodeId, handle);
  });
  return found;
}

function add(found: Map<string, Set<string | undefined>>, node: string, handle: string | undefined): void {
  const present = found.get(node);
  if (present === undefined) found.set(node, new Set([handle]));
  else present.add(handle);
}

/** Undefined where only a PersistentVolume that has gone could tell. */
const handleOf = (api: Pick<AttachmentApi, 'volumeNamed'>, { pv, inlineHandle }: ApiAttachment): string | undefined =>
  inlineHandle ?? (pv === undefined ? undefined : api.volumeNamed(pv)?.handle);

/** The attachment that asks for a holder. Without its PersistentVolume an attachment may be for any volume. */
export const attachmentOf = (
  api: Pick<AttachmentApi, 'volumeNamed'>,
  known: readonly ApiAttachment[],
  { volume, nodeId }: NamedHolder,
): ApiAttachment | undefined =>
  known.find((one) => {
    const handle = handleOf(api, one);
    return (handle === undefined || handle === volume) && (one.node === nodeId || one.nodeId === nodeId);
  });
