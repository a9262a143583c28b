/**
 * What Berth has to know of one kind of filesystem: its tools, its superblock, its limits. Each kind has a file of its
 * own that says all of it, and filesystems.ts has them all.
 */
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import type { Exec } from '../process/exec.js';
import type { ToolVersion } from './mkfs/mkfs-version.js';

/** One option of mkfs that a user gave. */
export interface MkfsOption {
  /** With its hyphen. */
  readonly flag: string;
  readonly value: string;
}

/** A filesystem that is to be made. */
export interface MkfsRequest {
  readonly uuid: string;
  /** The user's. */
  readonly options: readonly MkfsOption[];
  /** Overwrite what is there. */
  readonly force: boolean;
  /** Of the device. */
  readonly sizeBytes: bigint;
  /** Of the mkfs that is to make it: what newer ones do by default, they are told not to. */
  readonly tool: ToolVersion | undefined;
}

/** What a superblock says of its filesystem. */
export interface Superblock {
  /** In small letters; empty where blkid would take the filesystem for one of another kind (ext2 for an ext4). */
  readonly uuid: string;
  /** As last written; a mounted xfs writes its new size some time after it grew. */
  readonly sizeBytes: bigint;
  /** The kernel found errors. A filesystem that records none says false. */
  readonly errors: boolean;
  /** The largest size in bytes that its tools grow it to; undefined where there is none that a device would reach. */
  readonly growsTo: bigint | undefined;
  /** Changes with every writable mount, and by no growth; empty where nobody asks. */
  readonly mounts: string;
  /** Its journal holds what has to be applied first; not there where the superblock does not tell. */
  readonly needsReplay?: boolean;
}

/** The programs that it needs on the node. */
export interface FilesystemPrograms {
  /** The first of them says its version with `-V`. */
  readonly programs: readonly string[];
  /** The packages in which Debian has them. */
  readonly packages: string;
  /** What cannot be done without all of them. */
  readonly without: string;
}

/** How its mkfs is tried on a file. */
export interface MkfsTrialRun {
  /** The flag by which it only says what it would do, and refuses what it would refuse. */
  readonly dryRun: string;
  /** `nothing`: the dry run tells all. `itself`: only what was really made shows what it is. */
  readonly makes: 'nothing' | 'itself';
  /** Options that go last and keep it from writing most of a sparse file. */
  readonly sparse: readonly MkfsOption[];
  /** What the dry run's output says against a mount, where pages have this many bytes. */
  readonly whyNotMountable?: (stdout: string, pageBytes: number) => string | undefined;
}

export interface UnmountedGrowth {
  readonly device: string;
  /** Called when all is checked and nothing is written yet: what is begun then has to end, or be undone. */
  readonly guard: () => Promise<void>;
}

/** How a copy of a filesystem, unmounted, gets a uuid of its own. */
export interface UuidChange {
  /**
   * Let the kernel apply the journal, by a mount at `directory` that nobody else sees and that ends at once. False
   * where it does not mount: then nothing may be changed. BERTH_COMMAND_MISSING, DEADLINE.
   */
  readonly applyJournal: (exec: Exec, device: string, directory: string, deadline: Deadline) => Promise<boolean>;
  /**
   * Set it, on a device whose journal was applied and which nobody has mounted since; may be repeated with the same
   * uuid after it was cut short anywhere. False where the tool refuses: then the filesystem is as it was.
   * BERTH_COMMAND_MISSING, BERTH_PROBE_FAILED, DEADLINE.
   */
  readonly set: (exec: Exec, change: NewUuid, deadline: Deadline) => Promise<boolean>;
}

export interface NewUuid {
  readonly device: string;
  readonly uuid: string;
  /** It was begun before, and nobody knows how far it came. */
  readonly wasBegun: boolean;
}

export interface Filesystem {
  /** As blkid names it, `mount -t` takes it, and its `mkfs.TYPE` is called. */
  readonly type: FilesystemType;
  readonly needs: FilesystemPrograms;
  /** The smallest device, in bytes, that it can be made on. */
  readonly minimumBytes: bigint;
  /** The smallest new volume, in bytes, that is made for it. */
  readonly smallestVolume: bigint;

  /**
   * Letters of the mkfs flags that a user may give, each of which takes a value. Force, dry runs, sizes, uuids and
   * types are Berth's to decide.
   */
  readonly mkfsFlags: string;
  readonly mkfsTrial: MkfsTrialRun;
  /** All arguments of its mkfs but the device. */
  readonly mkfsArguments: (request: MkfsRequest) => readonly string[];

  /** What the first 4 KiB of a device say; undefined where they hold no superblock of this filesystem. */
  readonly parseSuperblock: (page: Buffer) => Superblock | undefined;
  /**
   * Errors that the kernel has counted in a mounted one, as a sentence; undefined for none, and where it counts none.
   * @param number "major:minor" of its device
   */
  readonly countedErrors: (number: string, sysRoot: string) => string | undefined;

  /** Does one that has shut down look well in mountinfo? Then its root has to be looked at. */
  readonly hidesShutdown: boolean;

  /**
   * Berth recognizes its mounts by the number of their device, which mountinfo shows for these. A filesystem for which
   * the kernel makes up a number (btrfs) does not fit: first staging-mount.ts has to recognize it in another way.
   */
  readonly mountShowsDeviceNumber: true;
  /** Options that Berth gives to each mount, before those of the user. */
  readonly mountOptions: (readOnly: boolean) => readonly string[];

  /** Undefined where the kernel minds no second filesystem of the same uuid: then a copy keeps its source's. */
  readonly uuidOfCopy: UuidChange | undefined;

  /**
   * Check an unmounted device, and repair what needs no person to decide: BERTH_FILESYSTEM_DAMAGED for the rest,
   * BERTH_COMMAND_MISSING, DEADLINE. Undefined where no tool does so without a mount.
   */
  readonly check: ((exec: Exec, device: string, deadline: Deadline) => Promise<void>) | undefined;

  /** The program that grows it, for a person to run. */
  readonly growProgram: string;
  /**
   * Grow an unmounted one to its device. BERTH_FILESYSTEM_GROW_FAILED,
   * BERTH_FILESYSTEM_DAMAGED, BERTH_PROBE_FAILED, DEADLINE. Undefined where it grows
   * only while it is mounted: then a stage grows it after the mount instead of before.
   */
  readonly growUnmounted: ((exec: Exec, growth: UnmountedGrowth, deadline: Deadline) => Promise<void>) | undefined;
  /** May this process grow a mounted one? */
  readonly growsMountedHere: () => boolean;
  /** Grow the one mounted writable at `mountPoint`. BERTH_FILESYSTEM_GROW_FAILED, BERTH_PROBE_FAILED, DEADLINE. */
  readonly growMounted: (exec: Exec, device: string, mountPoint: string, deadline: Deadline) => Promise<void>;
}
