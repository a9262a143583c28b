/** What an orchestrator knows of volumes: whether anything of it explains one. */
import type { Deadline } from '../../../model/deadline.js';
import { CLAIM_NAME_KEY, CLAIM_NAMESPACE_KEY } from '../../image/parameters.js';
import type { VolumeRecord } from '../../image/volume-record.js';

/** As an orchestrator answers. Each answer is sure: one that cannot be had is an error. */
export interface KnownVolumes {
  /** Whose it is: '' where the installation has no name. */
  readonly installation: string;
  /** Is there a PersistentVolume of this handle, or of this name? */
  hasVolume(handle: string, name: string): boolean;
  /** Undefined where there is no claim of this name. */
  claim(namespace: string, name: string, deadline: Deadline): Promise<KnownClaim | undefined>;
}

export interface KnownClaim {
  readonly uid: string;
  /** The name of its PersistentVolume; '' for one that has none yet. */
  readonly volume: string;
}

/** Asked anew; undefined without an orchestrator. Its errors where it does not answer. */
export type AskVolumes = (deadline: Deadline) => Promise<KnownVolumes | undefined>;

/** The claim for which an image was made, as its labels say. */
export interface MadeFor {
  readonly namespace: string;
  readonly name: string;
}

/** Undefined for an image of a provisioner without --extra-create-metadata. */
export function claimOf(metadata: ReadonlyMap<string, string>): MadeFor | undefined {
  const [namespace, name] = [metadata.get(CLAIM_NAMESPACE_KEY), metadata.get(CLAIM_NAME_KEY)];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/**
 * Is the claim there for which the provisioner made it? It is named after the claim's uid, or a part of that: a claim
 * of the same name that has no PersistentVolume yet may be the one.
 */
export async function isClaimed(
  known: KnownVolumes,
  { namespace, name }: MadeFor,
  record: VolumeRecord,
  deadline: Deadline,
): Promise<boolean> {
  const claim = await known.claim(namespace, name, deadline);
  return claim !== undefined && (claim.volume === '' || record.name.includes(claim.uid));
}
