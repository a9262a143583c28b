/** Traces whatever a person named: one volume, all of a pod's, or all of a node's. */
import { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import { skipSilent } from '../attachment/skip-silent.js';
import { toldOf } from '../message-of.js';
import { workThrough } from '../../model/settle-all.js';
import type { ApiAsked, VolumeNamed } from './find-bound.js';
import { findObjects, findSubject, type Subject, type SubjectParts } from './find-subject.js';
import { traceVolume, type TraceParts, type VolumeTrace } from './trace-volume.js';

/** A volume of a pod or a node that could not be traced at all. */
export interface Untraced {
  readonly named: VolumeNamed;
  readonly why: string;
  /** False for another driver's: a pod may have such as well. */
  readonly isFault: boolean;
}

export interface SubjectTrace extends Omit<Subject, 'volumes'> {
  readonly traces: readonly VolumeTrace[];
  readonly untraced: readonly Untraced[];
}

/** What finding it may take, in ms. */
const FIND_MS = 30_000;
/** Volumes of a node that are traced at the same time. */
const WIDTH = 4;

/**
 * The errors of {@link findSubject} or {@link findObjects}, and of {@link traceVolume} where one volume was asked for.
 * @param what a name, or a text with names of objects in it
 */
export async function traceSubject(
  asked: TraceParts & SubjectParts,
  what: string | { readonly text: string },
): Promise<SubjectTrace> {
  const parts = { ...asked, api: asked.api && listedOnce(asked.api), images: readOnce(asked.images) };
  const deadline = Deadline.after(FIND_MS);
  const found =
    typeof what === 'string' ? await findSubject(parts, what, deadline) : await findObjects(parts, what.text, deadline);
  const { volumes, ...subject } = found;
  const [only] = volumes;
  if (only !== undefined && Object.keys(subject).length === 0)
    return { traces: [await traceVolume(parts, only)], untraced: [] };
  // In the order of the subject, whichever ends first.
  const ends: (VolumeTrace | Untraced)[] = [];
  await workThrough(volumes.entries(), WIDTH, async ([at, named]) => {
    try {
      ends[at] = await traceVolume(parts, named);
    } catch (error) {
      ends[at] = { named, why: toldOf(error), isFault: !isBerthError(error, 'BERTH_VOLUME_NOT_FOUND') };
    }
  });
  const traces = ends.filter((one): one is VolumeTrace => 'breaks' in one);
  return { ...subject, traces, untraced: ends.filter((one): one is Untraced => 'why' in one) };
}

/** Attachments and PersistentVolumes are the same for all volumes of a subject: they are listed for the first. */
function listedOnce(api: ApiAsked): ApiAsked {
  const { attachments, objects } = api;
  let listed: ReturnType<typeof attachments.list> | undefined;
  let volumes: ReturnType<typeof attachments.listVolumes> | undefined;
  return {
    objects,
    attachments: {
      list: (deadline) => (listed ??= attachments.list(deadline)),
      listVolumes: (deadline) => (volumes ??= attachments.listVolumes(deadline)),
      nodeOf: (name, deadline) => attachments.nodeOf(name, deadline),
      podsOf: (claim, node, deadline) => attachments.podsOf(claim, node, deadline),
      readVolume: (name, deadline) => attachments.readVolume(name, deadline),
      volumeNamed: (name) => attachments.volumeNamed(name),
      volumeOf: (handle) => attachments.volumeOf(handle),
    },
  };
}

/** Each image is read once, however many attachments it has, and a silent cluster is waited for once. */
function readOnce(images: TraceParts['images']): TraceParts['images'] {
  const ceph = skipSilent(images);
  const read = new Map<string, ReturnType<typeof ceph.readHolders>>();
  const healths = new Map<string, ReturnType<typeof ceph.health>>();
  return {
    ...ceph,
    readHolders: (volume, watchers, deadline) => {
      const key = `${volume} ${String(watchers)}`;
      const known = read.get(key) ?? ceph.readHolders(volume, watchers, deadline);
      read.set(key, known);
      return known;
    },
    health: (volume, deadline) => {
      const cluster = parseVolumeId(volume)?.cluster ?? '';
      const known = healths.get(cluster) ?? ceph.health(volume, deadline);
      healths.set(cluster, known);
      return known;
    },
  };
}

/** Does somebody have to see to what was found? Also where a link could not be looked at through a fault. */
export const needsAttention = ({ traces, untraced }: SubjectTrace): boolean =>
  untraced.some(({ isFault }) => isFault) ||
  traces.some(({ breaks, unseen }) => breaks.length > 0 || unseen.some(({ isFault }) => isFault));
