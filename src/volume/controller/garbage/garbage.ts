/** What nothing explains any more: what each piece is, since when, and how it goes. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { ImageHead, ImageRef } from '../../../rbd/port.js';
import type { Snapshot } from '../../../rbd/port/snapshot-port.js';
import { imageSpec } from '../../../model/volume-id.js';
import type { KnownVolumes } from './known-volumes.js';

/** As a metric shows it and a person reads it. */
export type GarbageKind =
  | 'volume'
  | 'unfinished-create'
  | 'unfinished-copy'
  | 'unfinished-delete'
  | 'unfinished-removal'
  | 'unmarked'
  | 'clone-snapshot'
  | 'growth-snapshot'
  | 'group-snapshot'
  | 'group'
  | 'snapshot'
  | 'told-group'
  | 'snapshot-name'
  | 'untold-snapshot'
  | 'volume-user';

export interface Garbage {
  readonly kind: GarbageKind;
  /** By its name in the clusters file. */
  readonly cluster: string;
  /** `pool[/namespace]/image[@snapshot]`, or the object and the key of a record. */
  readonly where: string;
  /** What it is and why nothing explains it: one sentence without its end. */
  readonly says: string;
  /** ISO 8601; undefined where Ceph does not say it. */
  readonly since: string | undefined;
  readonly end: GarbageEnd;
}

/** A snapshot as it was found, with the image as it was then. */
export interface SeenCut {
  readonly at: ImageRef;
  readonly head: ImageHead;
  readonly snapshot: Snapshot;
}

/**
 * How it goes: by an act that looks at it once more and answers false where it is no garbage any more; or not by us,
 * and why.
 */
export type GarbageEnd =
  | { readonly remove: (known: KnownVolumes | undefined, deadline: Deadline) => Promise<boolean> }
  | {
      readonly keptBecause: string;
      /** It may well be somebody else's who shares the pool: a person is shown it, and nobody is alarmed by it. */
      readonly isDoubtful?: true;
    };

/**
 * Nothing that is younger, in ms, is garbage: every call has ended long before, and a caller that wants to repeat it
 * has done so.
 */
export const GRACE_MS = 3_600_000;

/** Is that long enough ago? What is no time is not. */
export const isOld = (at: string | Date, now: Date): boolean => now.getTime() - new Date(at).getTime() >= GRACE_MS;

export const whereIs = (at: ImageRef, snapshot?: string): string =>
  snapshot === undefined ? imageSpec(at) : `${imageSpec(at)}@${snapshot}`;

/** Undefined where that has gone by itself. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isBerthError(error, 'BERTH_IMAGE_NOT_FOUND', 'BERTH_VOLUME_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** `unreadable` for a record that cannot be read: it proves nothing, and what it is about is left alone. */
export function unlessUnreadable<T>(read: () => T): T | 'unreadable' {
  try {
    return read();
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_UNREADABLE')) return 'unreadable';
    throw error;
  }
}

/** BERTH_KUBE_OFF: what only the API can explain is not removed without it. */
export function mustKnow(known: KnownVolumes | undefined): KnownVolumes {
  if (known === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'berth garbage --yes' });
  return known;
}
