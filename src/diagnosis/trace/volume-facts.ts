/** What was seen of one volume, from its claim to its pods: what the page of `berth trace` shows, and breaks go by. */
import type { ApiClaim, ApiClass, ApiEvent, ApiPod, VolumeObject } from '../../kube/storage-objects.js';
import type { ApiAttachment } from '../../kube/volume-attachments.js';
import type { ClusterHealth } from '../../rbd/port.js';
import type { ImageDescription } from '../../volume/image/look/describe-image.js';
import type { AttachmentFacts, AttachmentFinding, Image } from '../attachment/attachment-facts.js';
import type { Unseen } from './links.js';
import type { NodeView } from './node-view.js';

/** Why a claim has no volume: read only where it is bound to none. */
export interface Unbound {
  /** 'absent': the claim names a class that does not exist; undefined where it names none, or nobody could tell. */
  readonly storageClass: ApiClass | 'absent' | undefined;
  /** Newest first. */
  readonly events: readonly ApiEvent[];
}

/** A pod of the claim, with what is told beside it while it does not run. */
export interface SeenPod extends ApiPod {
  /** Newest first; only of one that is Pending. */
  readonly events: readonly ApiEvent[];
  /** False where it names a RuntimeClass that does not exist. */
  readonly hasRuntimeClass: boolean;
  /** Its RuntimeClass is one of virtual machines; looked at only where its memory may be too little for one. */
  readonly isMachine: boolean;
}

export interface VolumeFacts {
  /** ISO 8601. */
  readonly now: string;
  readonly driver: string;
  /** This process's own node. */
  readonly nodeId: string;
  /** `namespace/name`; undefined for a volume that no claim has. */
  readonly claimName: string | undefined;
  /** Undefined where the API has none of that name, or was not asked. */
  readonly claim: ApiClaim | undefined;
  /** The API was asked for the claim, and has none of that name. */
  readonly isClaimGone: boolean;
  readonly unbound: Unbound | undefined;
  /** Its own name; undefined for a volume that no PersistentVolume names. */
  readonly pvName: string | undefined;
  readonly pv: VolumeObject | undefined;
  /** What is told beside the PersistentVolume, newest first; only of one that was released, failed or is to go. */
  readonly pvEvents: readonly ApiEvent[];
  /** Nobody could tell whether there is one: neither claim nor pods nor attachments can be known then. */
  readonly isPvUnseen: boolean;
  /** The volume handle; undefined for a claim that has no volume. */
  readonly handle: string | undefined;
  /** Undefined where they could not be listed, or not be told from those of others. */
  readonly attachments: readonly ApiAttachment[] | undefined;
  /** Of each attachment, then of each node that the record names without one. */
  readonly facts: readonly AttachmentFacts[];
  readonly findings: readonly AttachmentFinding[];
  /** Undefined without a volume. */
  readonly image: Image | undefined;
  /** Undefined where it could not be opened. */
  readonly description: ImageDescription | undefined;
  /** What the monitors of its cluster report; undefined without a volume, or where they do not answer. */
  readonly health: ClusterHealth | undefined;
  readonly here: NodeView | undefined;
  /** Undefined where they could not be listed, or nobody knows whose they would be. */
  readonly pods: readonly SeenPod[] | undefined;
  readonly unseen: readonly Unseen[];
}
