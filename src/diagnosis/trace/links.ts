/**
 * The links between a claim and its pod's data, causes before what suffers from them, and every way in which one is
 * known to break. docs/trace.md has the table; a test compares the two.
 */
import type { Reason } from '../attachment/attachment-facts.js';

export const LINKS = [
  ...(['claim', 'persistent volume', 'image', 'snapshots', 'node', 'volume attachment'] as const),
  ...(['holder record', 'image open at', 'journal', 'device', 'mounts', 'sandbox', 'pod'] as const),
];
export type Link = (typeof LINKS)[number];

/** What is wrong with an attachment, by the link that it is wrong in. */
const OF_ATTACHMENTS = {
  NodeGone: 'node',
  CsiNodeGone: 'node',
  DriverGone: 'node',
  NodeOutOfService: 'node',
  NodeNotReady: 'node',
  PersistentVolumeGone: 'persistent volume',
  CephSilent: 'image',
  ImageGone: 'image',
  StillMounted: 'pod',
  ImageStillOpen: 'image open at',
  ForeignFinalizer: 'volume attachment',
  AttacherSilent: 'volume attachment',
  AttachedInApiOnly: 'holder record',
  HeldInCephOnly: 'holder record',
  AttachUnconfirmed: 'volume attachment',
  GrantOutdated: 'volume attachment',
  HeldElsewhere: 'holder record',
  AttachFails: 'volume attachment',
} as const satisfies Readonly<Record<Reason, Link>>;

/** Every reason by its link. Stable, for scripts and runbooks. */
export const LINK_OF = {
  ...OF_ATTACHMENTS,
  NoClass: 'claim',
  ClassMissing: 'claim',
  ClassOfAnother: 'claim',
  WaitsForPod: 'claim',
  ProvisioningFailed: 'claim',
  ProvisionerSilent: 'claim',
  ClaimGone: 'claim',
  ClaimLost: 'persistent volume',
  ClaimTerminating: 'claim',
  VolumeOfAnotherClaim: 'persistent volume',
  VolumeReleased: 'persistent volume',
  VolumeFailed: 'persistent volume',
  VolumeTerminating: 'persistent volume',
  PoolFull: 'image',
  ObjectsUnavailable: 'image',
  ObjectsDamaged: 'image',
  VolumeDeleting: 'image',
  ImageLocked: 'image',
  ImageTooSmall: 'image',
  GrowthCut: 'image',
  GrowthGivenUp: 'image',
  OpenUnexplained: 'image open at',
  NotAttached: 'volume attachment',
  JournalUnreadable: 'journal',
  NotStagedHere: 'journal',
  DeviceGone: 'device',
  NotMounted: 'mounts',
  MountedReadOnly: 'mounts',
  TargetNotMounted: 'mounts',
  RuntimeClassGone: 'sandbox',
  KataRecordGone: 'sandbox',
  PodUnscheduled: 'pod',
  PodWaits: 'pod',
  PodTerminating: 'pod',
  PodKilled: 'pod',
} as const satisfies Readonly<Record<string, Link>>;
export type BreakReason = keyof typeof LINK_OF;

interface Told<Reason> {
  readonly link: Link;
  readonly reason: Reason;
  /** What is wrong, or may come, then what to do. */
  readonly says: string;
}

/** One link that does not hold. */
export type Break = Told<BreakReason>;

export const broken = (reason: BreakReason, says: string): Break => ({ link: LINK_OF[reason], reason, says });

/** What breaks nothing yet, by the link that it will break. Stable as well. */
export const LINK_OF_WARNING = {
  MemorySmall: 'pod',
} as const satisfies Readonly<Record<string, Link>>;
export type WarningReason = keyof typeof LINK_OF_WARNING;

/** Nothing is broken by it, and whoever reads it may still see to it. */
export type Warning = Told<WarningReason>;

/** The first link first: what stands behind it may be whole as soon as that one is. */
export const inOrder = (breaks: readonly Break[]): readonly Break[] =>
  [...breaks].sort((a, b) => LINKS.indexOf(a.link) - LINKS.indexOf(b.link));

/** A link that could not be looked at. */
export interface Unseen {
  readonly link: Link;
  readonly why: string;
  /** False where it is nobody's fault: this process has no journal, or is told of no Kubernetes. */
  readonly isFault: boolean;
}
