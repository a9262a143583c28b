/** What a round of reconciliation knows: one reading of journal, kernel and kubelet's directories, as plain values. */
import type { Mount } from '../host/mount/mountinfo.js';
import type { JournalEntry } from '../journal/entry.js';
import type { Mapping } from '../rbd/mapping/mapper.js';
import type { MapperName } from '../model/mapper-name.js';

export interface SeenMapping {
  readonly mapping: Mapping;
  /** "major:minor"; undefined where the device went while it was read. */
  readonly number: string | undefined;
  /** Devices built on it (dm-0). */
  readonly holders: readonly string[];
  /** Why nobody serves it; undefined while it is served. */
  readonly unserved: string | undefined;
  /** It could only have been made by a driver with our state directory. */
  readonly isProvenOurs: boolean;
  /** Wall clock, ms, of the first round that saw it. */
  readonly since: number;
}

/**
 * What lies at the place where kubelet would have the volume mounted;
 * `mount`: not entered, something is mounted there.
 */
export type MountPointState = 'absent' | 'empty' | 'full' | 'mount' | 'no directory';

/** A directory of the kubelet whose data file names our driver. */
export interface KubeletVolume {
  /** Of a pod, of a stage, or of a raw block volume (whose layout is another, and which is only read). */
  readonly kind: 'pod' | 'stage' | 'block';
  readonly volume: string;
  readonly directory: string;
  readonly mountPoint: string;
  /** The pod's own directory; the volume's where it belongs to no pod. */
  readonly owner: string;
  readonly state: MountPointState;
  /** Entries that neither we nor the kubelet put there. */
  readonly others: readonly string[];
  /** Wall clock, ms: the data file or the mount point changed last. */
  readonly changed: number;
}

export interface KubeletFacts {
  /** Resolved; what lies outside of it is not the kubelet's, or not this one's. Undefined where there is none. */
  readonly root: string | undefined;
  readonly volumes: readonly KubeletVolume[];
  /** Volume directories of which nobody can tell whose they are, with the reason. */
  readonly unclear: readonly { readonly directory: string; readonly why: string }[];
  /** Why not everything could be read; undefined where it was. Absence proves nothing then. */
  readonly incomplete: string | undefined;
}

/** A place of the clusters file. */
export interface OurPlace {
  readonly cluster: string;
  readonly pool: string;
  readonly namespaces: readonly string[];
}

export interface NodeFacts {
  /** Wall clock, ms. */
  readonly now: number;
  /**
   * Wall clock, ms: nothing counts as older than this process and this boot, for only since then anybody could have
   * come back for it.
   */
  readonly quietFrom: number;
  /** How long something has to be at rest before it counts as left over, in ms. */
  readonly ageMs: number;
  readonly entries: readonly JournalEntry[];
  /** Journal files that cannot be read, and why. */
  readonly unreadable: readonly string[];
  readonly mappings: readonly SeenMapping[];
  /** Mappers whose mappings could not be listed, and why. */
  readonly blind: ReadonlyMap<MapperName, string>;
  readonly mounts: readonly Mount[];
  readonly kubelet: KubeletFacts;
  /** Undefined where the clusters file cannot be read. */
  readonly places: readonly OurPlace[] | undefined;
  /** Is an operation of this volume running, or was one while this was read? */
  readonly isRunning: (volume: string) => boolean;
}
