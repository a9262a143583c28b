/**
 * One volume's entry in the node's journal:
 * what this node set out to do with it, enough to undo it without asking anybody.
 */
import {
  DEFAULT_FILESYSTEM,
  FILESYSTEMS,
  isAccessMode,
  type AccessMode,
  type FilesystemType,
} from '../model/capability.js';
import { MAPPER_NAMES, type MapperName } from '../model/mapper-name.js';

export interface JournalMapping {
  readonly mapper: MapperName;
  readonly device: string;
  readonly readOnly: boolean;
  /**
   * Addresses of the Ceph clients by which it is open, as the
   * holder record has them; absent in entries of an earlier Berth.
   */
  readonly clients?: readonly string[];
}

/** A published target path and how it was asked for. */
export interface JournalTarget {
  readonly readOnly: boolean;
  readonly mode: AccessMode;
  /** Flags of the publish request, as a digest; absent in entries of an earlier Berth. */
  readonly flagsDigest?: string;
  /** Who has it there: a virtual machine of Kata; the host itself where absent. */
  readonly sandbox?: 'kata';
  /**
   * The path as the orchestrator spelled it, where that is not the resolved one:
   * a record may stand under this name too.
   */
  readonly asked?: string;
}

/** Names in Kubernetes. */
export interface JournalName {
  /** `namespace/name` of the claim that the image was made for. */
  readonly claim?: string;
  /** The PersistentVolume's. */
  readonly pv?: string;
}

/** How virtual machines bear on a filesystem volume. */
export interface JournalGuest {
  /** Mounted at the staging path by this node; false where it is left to a guest, or to the first pod to say. */
  readonly mounted: boolean;
  /** What the volume itself asks for; absent where it says nothing. */
  readonly wish?: 'auto' | 'host' | 'kata';
  /** The image's record says that a guest may have written to it. */
  readonly written: boolean;
  /** The volume allows this node's kernel to mount it nevertheless. */
  readonly allowHostMount: boolean;
}

/**
 * `staging`: begun, anything of it may exist. `staged`: done. `unstaging`: begun to undo. The kernel says what is
 * really there; the entry says what was meant.
 */
export type StageState = 'staging' | 'staged' | 'unstaging';

export interface JournalEntry {
  readonly version: 1;
  readonly volume: string;
  /** The cluster's own id: what the kernel knows a mapping by. */
  readonly fsid: string;
  /**
   * Ceph's id of the image, for its name may lead to another one later; absent in entries of an earlier Berth.
   */
  readonly imageId?: string;
  readonly stagingPath: string;
  readonly state: StageState;
  readonly mode: AccessMode;
  readonly access: 'block' | 'mount';
  readonly readOnly: boolean;
  /** Set for mounts. */
  readonly fsType?: FilesystemType;
  /** Flags of the stage request, as a digest: they may be sensitive. */
  readonly flagsDigest: string;
  readonly mapper: JournalMapping['mapper'];
  /**
   * The runtime that was given the image itself, by a file at `stagingPath`: nothing of it is mapped or mounted here
   * once it is `staged`, and the device is the guest's.
   */
  readonly handedTo?: 'hyperd';
  /**
   * Addresses of the clients by which it has the image open,
   * as the holder record has them; absent while that is not known.
   */
  readonly guestClients?: readonly string[];
  /** Staged for pods by this node, where nobody asks for a stage: it goes with the last of them. */
  readonly withPods?: true;
  /** Known once staged; for a person to read, the kernel is asked before anything is done. */
  readonly mapping?: JournalMapping;
  /**
   * The kernel gave its filesystem up, or counted errors in it: the staging mount is being taken away, to be checked
   * and made anew. Absent otherwise.
   */
  readonly mending?: true | undefined;
  /** Absent where no virtual machine bears on it: a filesystem is mounted at the staging path then. */
  readonly guest?: JournalGuest;
  /** What Kubernetes calls it, as the image said at the stage: for people and metrics. Absent where it said nothing. */
  readonly named?: JournalName;
  /** The attach by which it was staged, as the holder record names it; absent where nobody attached or named it. */
  readonly grant?: string;
  /** It is opened by the Ceph user that the attach made for it, and no other; absent where the node's own opens it. */
  readonly ownUser?: true;
  /** The node took the holder record itself, so it gives it back at unstage. */
  readonly holdsRecord: boolean;
  readonly targets: Readonly<Record<string, JournalTarget>>;
  /** ISO 8601, when a target was last taken away; absent before, and in entries of an earlier Berth. */
  readonly unpublished?: string;
  /** ISO 8601, when the stage was begun. */
  readonly since: string;
}

const WORDS = {
  state: ['staging', 'staged', 'unstaging'],
  access: ['block', 'mount'],
  mapper: MAPPER_NAMES,
  handedTo: ['hyperd', undefined],
  // One of a later Berth, taken for another, would be repaired and grown with the wrong tools.
  fsType: [...FILESYSTEMS, undefined],
} as const;

/** The version that this Berth writes, and the only one that it reads. */
export const VERSION = 1;

/** The version of a parsed value where a later Berth wrote it; undefined for anything else. */
export function newerVersion(value: unknown): number | undefined {
  const version = (value as { readonly version?: unknown } | null)?.version;
  return typeof version === 'number' && version > VERSION ? version : undefined;
}

/** Why a parsed value is not an entry of this version; undefined where it is one. */
export function whyNotEntry(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'not an object';
  const entry = value as Partial<Record<keyof JournalEntry, unknown>>;
  if (entry.version !== VERSION) return `version ${String(entry.version)} is not known to this Berth`;
  for (const key of ['volume', 'fsid', 'stagingPath'] as const) {
    if (typeof entry[key] !== 'string') return `${key} is missing`;
  }
  for (const key of ['readOnly', 'holdsRecord'] as const) {
    if (typeof entry[key] !== 'boolean') return `${key} is missing`;
  }
  for (const [key, known] of Object.entries(WORDS) as [keyof typeof WORDS, readonly unknown[]][]) {
    if (!known.includes(entry[key])) return `${key} ${String(entry[key])} is not known to this Berth`;
  }
  if (entry.grant !== undefined && typeof entry.grant !== 'string') return 'grant is malformed';
  if (entry.ownUser !== undefined && entry.ownUser !== true) return 'ownUser is malformed';
  if (!isAccessMode(entry.mode)) return `mode ${String(entry.mode)} is not known to this Berth`;
  return whyNotParts(entry);
}

function whyNotParts(entry: Partial<Record<keyof JournalEntry, unknown>>): string | undefined {
  if (entry.unpublished !== undefined && typeof entry.unpublished !== 'string') return 'unpublished is malformed';
  if (entry.imageId !== undefined && typeof entry.imageId !== 'string') return 'imageId is malformed';
  if (entry.guest !== undefined && !isGuest(entry.guest)) return 'guest is malformed';
  if (entry.named !== undefined && !isName(entry.named)) return 'named is malformed';
  if (entry.guestClients !== undefined && !isTexts(entry.guestClients)) return 'guestClients is malformed';
  if (typeof entry.targets !== 'object' || entry.targets === null || Array.isArray(entry.targets))
    return 'targets is missing';
  const strange = Object.entries(entry.targets).find(([, target]) => !isTarget(target));
  return strange === undefined ? undefined : `target ${strange[0]} is malformed`;
}

function isName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { claim = '', pv = '' } = value as Partial<Record<keyof JournalName, unknown>>;
  return typeof claim === 'string' && typeof pv === 'string';
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((one: unknown) => typeof one === 'string');

function isTarget(value: unknown): boolean {
  const target = value as Partial<Record<keyof JournalTarget, unknown>> | null;
  if (target?.sandbox !== undefined && target.sandbox !== 'kata') return false;
  return typeof target?.readOnly === 'boolean' && isAccessMode(target.mode);
}

function isGuest(value: unknown): boolean {
  const guest = value as Partial<Record<keyof JournalGuest, unknown>> | null;
  const flags = [guest?.mounted, guest?.written, guest?.allowHostMount];
  return (
    flags.every((one) => typeof one === 'boolean') &&
    [undefined, 'auto', 'host', 'kata'].includes(guest?.wish as string)
  );
}

/**
 * Is the staging path of this volume, once staged, a mount of its filesystem? Not for raw volumes, nor for those left
 * to a guest.
 */
export const isMountedHere = ({ access, guest }: Pick<JournalEntry, 'access' | 'guest'>): boolean =>
  access === 'mount' && guest?.mounted !== false;

/** Who uses it here: `hyperd` and `kata` are virtual machines, `host` is everything else. */
export function sandboxOf({
  handedTo,
  guest,
  targets,
}: Pick<JournalEntry, 'handedTo' | 'guest' | 'targets'>): 'hyperd' | 'kata' | 'host' {
  if (handedTo !== undefined) return handedTo;
  const isGuests = guest?.mounted === false || Object.values(targets).some(({ sandbox }) => sandbox === 'kata');
  return isGuests ? 'kata' : 'host';
}

/** The filesystem of a volume that is not raw. A stage always writes it; an entry without one means the default. */
export const filesystemOfEntry = ({ fsType }: Pick<JournalEntry, 'fsType'>): FilesystemType =>
  fsType ?? DEFAULT_FILESYSTEM;
