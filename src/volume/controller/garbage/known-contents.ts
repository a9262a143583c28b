/** What an orchestrator knows of snapshots and of groups: whether an object of it explains one. */
import type { Deadline } from '../../../model/deadline.js';
import { isMadeElsewhere, type VolumeRecord } from '../../image/volume-record.js';

/** By what a snapshot, or a group of them, stands in the API. */
export type ContentKind = 'VolumeSnapshotContent' | 'VolumeGroupSnapshotContent';

/** As an orchestrator answers, of one kind and one moment. */
export interface KnownContents {
  /** Whose they are: '' where the installation has no name. */
  readonly installation: string;
  /** Is there an object of this handle, or one of one of these volumes that has no handle yet? */
  explains(handle: string, volumes: readonly string[]): boolean;
}

/**
 * Asked anew; undefined without an orchestrator. Its errors where it does not answer, BERTH_KUBE_UNSERVED where it does
 * not know the kind.
 */
export type AskContents = (kind: ContentKind, deadline: Deadline) => Promise<KnownContents | undefined>;

/** Why nobody can say whether a snapshot is of this installation. */
export const IN_DOUBT =
  'nobody can say whether it is of this Kubernetes: the record of its volume, or this driver, names no installation';

/**
 * For which installation was the volume made of which a snapshot is? That one has the snapshot's object.
 * @param record of the volume's image
 */
export function whoseIs(
  record: VolumeRecord | 'unreadable' | undefined,
  { installation }: KnownContents,
): 'here' | 'elsewhere' | 'in doubt' {
  const isKnown = typeof record === 'object' && (record.installation ?? '') !== '' && installation !== '';
  if (!isKnown) return 'in doubt';
  return isMadeElsewhere(record, installation) ? 'elsewhere' : 'here';
}
