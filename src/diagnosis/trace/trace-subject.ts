/** Traces whatever a person named: one volume, all of a pod's, or all of a node's. */
import { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import { toldOf } from '../message-of.js';
import { workThrough } from '../../model/settle-all.js';
import type { VolumeNamed } from './find-bound.js';
import { findSubject, type Subject, type SubjectParts } from './find-subject.js';
import { traceVolume, type TraceParts, type VolumeTrace } from './trace-volume.js';

/** A volume of a pod or a node that could not be traced at all. */
export interface Untraced {
  readonly named: VolumeNamed;
  readonly why: string;
  /** False for another driver's: a pod may have such as well. */
  readonly isFault: boolean;
}

export interface SubjectTrace extends Pick<Subject, 'pod' | 'node'> {
  readonly traces: readonly VolumeTrace[];
  readonly untraced: readonly Untraced[];
}

/** What finding it may take, in ms. */
const FIND_MS = 30_000;
/** Volumes of a node that are traced at the same time. */
const WIDTH = 4;

/** The errors of {@link findSubject}, and of {@link traceVolume} where one volume was asked for. */
export async function traceSubject(parts: TraceParts & SubjectParts, text: string): Promise<SubjectTrace> {
  const { volumes, ...subject } = await findSubject(parts, text, Deadline.after(FIND_MS));
  const [only] = volumes;
  if (only !== undefined && subject.pod === undefined && subject.node === undefined)
    return { traces: [await traceVolume(parts, only)], untraced: [] };
  const traces: VolumeTrace[] = [];
  const untraced: Untraced[] = [];
  await workThrough(volumes, WIDTH, async (named) => {
    try {
      traces.push(await traceVolume(parts, named));
    } catch (error) {
      untraced.push({ named, why: toldOf(error), isFault: !isBerthError(error, 'BERTH_VOLUME_NOT_FOUND') });
    }
  });
  return { ...subject, traces, untraced };
}

/** Does somebody have to see to what was found? Also where a link could not be looked at through a fault. */
export const needsAttention = ({ traces, untraced }: SubjectTrace): boolean =>
  untraced.some(({ isFault }) => isFault) ||
  traces.some(({ breaks, unseen }) => breaks.length > 0 || unseen.some(({ isFault }) => isFault));
