/**
 * What is known of one attachment, from the API, from the image and from the node: what the decision goes by, and
 * nothing else.
 */
import type { ApiAttachment, ApiNode } from '../../kube/volume-attachments.js';
import type { HoldersOfVolume } from '../../volume/image/read-holders.js';

/** Of an image: what it says, that it is not there, or why nobody could tell. */
export type Image = HoldersOfVolume | 'absent' | { readonly error: string };

export interface AttachmentFacts {
  /** Undefined where the API has none: the image alone says that the node holds it. */
  readonly attachment: ApiAttachment | undefined;
  /** 'unknown': no answer. */
  readonly pv: 'present' | 'absent' | 'unknown';
  /** The volume handle; undefined where only a PersistentVolume that has gone could tell. */
  readonly volume: string | undefined;
  /** The Node object's name. */
  readonly nodeName: string;
  /** What the image's record would call it. */
  readonly nodeId: string;
  readonly node: ApiNode;
  readonly image: Image;
  /** `namespace/name` of each that has it mounted there, or why nobody could tell; undefined where nobody asked. */
  readonly pods?: readonly string[] | { readonly error: string } | undefined;
}

const OF_A_DETACH = [
  ...(['PersistentVolumeGone', 'CephSilent', 'StillMounted', 'ImageStillOpen'] as const),
  ...(['ForeignFinalizer', 'AttacherSilent'] as const),
];
const OF_ITS_NODE = ['NodeGone', 'CsiNodeGone', 'DriverGone', 'NodeOutOfService', 'NodeNotReady'] as const;
const OF_TWO_WORDS = [
  ...(['ImageGone', 'AttachedInApiOnly', 'HeldInCephOnly'] as const),
  ...(['AttachUnconfirmed', 'GrantOutdated', 'HeldElsewhere', 'AttachFails'] as const),
];
/**
 * Stable, for Events, alerts and runbooks: what keeps an attachment from going, what its node lacks, where API and
 * image differ.
 */
export const REASONS = [...OF_A_DETACH, ...OF_ITS_NODE, ...OF_TWO_WORDS];
export type Reason = (typeof REASONS)[number];

export interface AttachmentFinding {
  readonly reason: Reason;
  /** One sentence: what is, why it stays, what would change it. */
  readonly says: string;
  /** `detach`: to be tried by the use case of ControllerUnpublish, which proves it or refuses. */
  readonly act: 'none' | 'detach';
  readonly attachment: ApiAttachment | undefined;
  readonly volume: string | undefined;
  readonly nodeName: string;
  readonly nodeId: string;
}

/** The finalizer that csi-attacher sets, by the driver's name. */
export const attacherFinalizer = (driver: string): string => `external-attacher/${driver.replaceAll('.', '-')}`;
