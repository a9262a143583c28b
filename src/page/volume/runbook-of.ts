/** Which page of the runbook is about a reason by which a link is broken; for all others the table of all reasons. */
import type { BreakReason, WarningReason } from '../../diagnosis/trace/links.js';
import { anchorOf } from '../docs/render-markdown.js';

const [NODE, WAITS, STAYS, HELD] = [
  'A node died',
  'A pod stays in ContainerCreating',
  'A VolumeAttachment does not go',
  'Multi-Attach error',
];
const KILLED = 'A database is killed in its virtual machine';
const [PENDING, TERMINATING] = ['A claim stays Pending', 'A claim or a volume stays Terminating'];

/** Headings of docs/runbook.md; undefined where what is said of the break is all there is to say. */
export const SYMPTOM_OF: Readonly<Record<BreakReason | WarningReason, string | undefined>> = {
  NodeGone: NODE,
  CsiNodeGone: STAYS,
  DriverGone: WAITS,
  NodeOutOfService: NODE,
  NodeNotReady: NODE,
  PersistentVolumeGone: STAYS,
  CephSilent: 'Monitors gone',
  ImageGone: undefined,
  StillMounted: STAYS,
  ImageStillOpen: STAYS,
  ForeignFinalizer: STAYS,
  AttacherSilent: STAYS,
  AttachedInApiOnly: STAYS,
  HeldInCephOnly: STAYS,
  AttachUnconfirmed: STAYS,
  GrantOutdated: STAYS,
  HeldElsewhere: HELD,
  AttachFails: WAITS,
  NoClass: PENDING,
  ClassMissing: PENDING,
  ClassOfAnother: PENDING,
  WaitsForPod: PENDING,
  ProvisioningFailed: PENDING,
  ProvisionerSilent: PENDING,
  ClaimGone: TERMINATING,
  ClaimLost: undefined,
  ClaimTerminating: TERMINATING,
  VolumeOfAnotherClaim: undefined,
  VolumeReleased: undefined,
  VolumeFailed: TERMINATING,
  VolumeTerminating: TERMINATING,
  PoolFull: 'The pool is full',
  ObjectsUnavailable: 'Processes in D state, I/O stands',
  ObjectsDamaged: 'PGs inconsistent',
  VolumeDeleting: TERMINATING,
  ImageLocked: WAITS,
  ImageTooSmall: undefined,
  GrowthCut: undefined,
  GrowthGivenUp: undefined,
  OpenUnexplained: WAITS,
  NotAttached: HELD,
  JournalUnreadable: undefined,
  NotStagedHere: WAITS,
  DeviceGone: WAITS,
  NotMounted: WAITS,
  MountedReadOnly: 'A filesystem became read-only',
  TargetNotMounted: WAITS,
  RuntimeClassGone: WAITS,
  KataRecordGone: WAITS,
  PodUnscheduled: undefined,
  PodWaits: WAITS,
  PodTerminating: NODE,
  PodKilled: KILLED,
  MemorySmall: KILLED,
};

export function runbookOf(reason: BreakReason | WarningReason): { readonly address: string; readonly title: string } {
  const symptom = SYMPTOM_OF[reason];
  if (symptom !== undefined) return { address: `/docs/runbook#${anchorOf(symptom)}`, title: `Runbook: ${symptom}` };
  return { address: '/docs/trace#every-way-in-which-a-link-breaks', title: 'All reasons' };
}
