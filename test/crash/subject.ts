/** One volume on one node whose driver may be killed at any step: what a scenario asks of it, whatever the mapper. */

/** `kata` and `kata-xfs` go to a virtual machine; the latter's filesystem may be mounted here as well. */
export type Kind = 'ext4' | 'xfs' | 'block' | 'kata' | 'kata-xfs';

export interface StageHow {
  readonly readOnly?: boolean;
  /** Another filesystem than the volume's. */
  readonly fsType?: string;
  readonly flags?: readonly string[];
  /** Another than the volume's own, by its volume context. */
  readonly sandbox?: string;
}

export interface PublishHow {
  readonly sandbox?: string;
  /** A pod's fsGroup. */
  readonly group?: string;
}

/** Calls are made once; each throws what the driver refused. */
export interface Subject {
  readonly kind: Kind;
  /** The volume's handle. */
  readonly id: string;
  attach(): Promise<void>;
  stage(how?: StageHow): Promise<void>;
  publish(readOnly?: boolean, how?: PublishHow): Promise<void>;
  unpublish(): Promise<void>;
  unstage(): Promise<void>;
  /** Whether it was attached or not. */
  detach(): Promise<void>;
  /** At the controller; {@link growHere} then has something to do. */
  growImage(): Promise<void>;
  growHere(): Promise<void>;
  /** As {@link growHere}, where it is staged and no pod has it. */
  growStaged(): Promise<void>;
  /** As the pod, or the kernel of its guest, synced. */
  write(text: string): Promise<void>;
  /** As the pod: is that what was written? */
  holds(text: string): Promise<boolean>;
  /** Make the staged filesystem read-only, as the kernel does after an error. */
  stopFilesystem(): Promise<void>;
  /** What the kernel and the journal have of it now. */
  traces(): Promise<Traces>;
  /** As the image itself has it. */
  holder(): Promise<Holder>;
  /** The holder record says `granted`, as after a fence of a node that was away and a new attach. */
  grantAnew(): Promise<void>;
  /** The record of its filesystem says that it came with a copy, so that it has the uuid of another one. */
  becomeCopy(): Promise<void>;
}

/** Everything that a volume leaves on a node. */
export interface Traces {
  readonly devices: number;
  readonly stagingMounts: number;
  readonly targetMounts: number;
  /** Does anything lie at the target path? */
  readonly target: boolean;
  /** Kata's records. */
  readonly records: number;
  /** The state in its journal entry, with the number of targets: `staged 1`. */
  readonly journal: string | undefined;
}

/** By whom the holder record was taken. */
export type Holder = 'controller' | 'node' | undefined;

/** The node that a subject is on. */
export interface CrashNode {
  /** What the running driver is to end itself at. */
  readonly armed: string | undefined;
  /** A new volume, its handle ends with `name`. */
  subject(kind: Kind, name: string): Promise<Subject>;
  /**
   * End the driver as kill -9 does and start it again, to end itself at `point` (BERTH_CRASH_AT) where one is given.
   */
  restart(point?: string, env?: Readonly<Record<string, string>>): Promise<void>;
  /** Make the call, which must end with the driver's own death; it is not started again. */
  dies(call: () => Promise<unknown>): Promise<void>;
  /** Only while no driver runs. */
  loseJournal(): Promise<void>;
  /** But for what was set aside. */
  journalFiles(): Promise<readonly string[]>;
  /** Every entry becomes a file of zero bytes, as a power loss leaves it. */
  damageJournal(): Promise<void>;
  /** For the driver's PATH: a directory whose mount refuses to bind. */
  readonly refusingPath: string;
}
