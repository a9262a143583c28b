/**
 * What a stage decides, as pure functions of facts that were gathered before: what an entry of the journal means for
 * the request, whether what an earlier try left is of use, and what the journal is told. Nothing here reads or writes.
 */
import type { Right } from '../../attachment/decide-take.js';
import { filesystemOfEntry, isMountedHere, type JournalEntry } from '../../journal/entry.js';
import { flagsDigest } from '../../journal/flags-digest.js';
import type { Capability } from '../../model/capability.js';
import type { MapperName } from '../../model/mapper-name.js';
import { filesystemTypeOf } from '../image/filesystem-type.js';
import type { Credentials, FoundVolume } from '../image/find-volume.js';
import {
  CLAIM_NAME_KEY,
  CLAIM_NAMESPACE_KEY,
  PV_NAME_KEY,
  words,
  type SandboxParameters,
} from '../image/parameters.js';
import type { VolumeRecord } from '../image/volume-record.js';
import type { Preparation } from './filesystem/inspect-device.js';
import { guestAtStage } from './guest/guest-mode.js';

export interface StageVolume {
  readonly volume: string;
  readonly stagingPath: string;
  readonly capability: Capability;
  /** The attach said so, or the capability's mode does. */
  readonly readOnly: boolean;
  readonly right: Right;
  readonly secrets: Credentials | undefined;
  /** The attach made a Ceph user for it, by which it is to be opened. */
  readonly ownUser?: true | undefined;
  /** As the PersistentVolume says; undefined where it says nothing. */
  readonly sandbox?: SandboxParameters | undefined;
  /** Nobody will unstage it: it goes with its last pod. */
  readonly withPods?: true;
}

/** How the volume is asked for: what two requests must agree in to be the same stage. */
type Asked = Pick<StageVolume, 'stagingPath' | 'capability' | 'readOnly'>;

/** What the kernel has of an entry of the journal. */
export interface EntryFacts {
  readonly isMapped: boolean;
  /** From that mapping, at the entry's staging path. */
  readonly isMounted: boolean;
}

/**
 * `staged`: as asked, and the kernel confirms it. `staged otherwise`: here in another way, which must not be changed
 * under its pods. `unfinished`: begun, or lost since (a reboot, a foreign umount); the stage goes on from it.
 */
export type EntryMeaning =
  | { readonly is: 'staged' | 'unfinished' }
  | { readonly is: 'staged otherwise'; readonly difference: string };

export function meaningOfEntry(entry: JournalEntry, { isMapped, isMounted }: EntryFacts, asked: Asked): EntryMeaning {
  const isThere = isMapped && (isMounted || !isMountedHere(entry));
  if (entry.state !== 'staged' || !isThere) return { is: 'unfinished' };
  const difference = differenceOf(entry, asked);
  return difference === undefined ? { is: 'staged' } : { is: 'staged otherwise', difference };
}

/**
 * Must what an unfinished stage left be unmounted and unmapped first? Mapped by one mapper and then by another it would
 * be open twice: two caches, and two kernels' mounts, of one filesystem. What another request left, mounted elsewhere
 * or otherwise, is nothing to go on from.
 */
export const isOfNoUse = (before: JournalEntry, asked: Asked, mapper: MapperName): boolean =>
  before.mapper !== mapper || differenceOf(before, asked) !== undefined;

function differenceOf(entry: JournalEntry, { stagingPath, capability, readOnly }: Asked): string | undefined {
  const { access, mode } = capability;
  if (entry.stagingPath !== stagingPath) return 'staging path';
  if (entry.access !== access.kind) return 'access type';
  if (entry.mode !== mode) return 'access mode';
  if (entry.readOnly !== readOnly) return 'readonly flag';
  if (access.kind === 'mount' && access.fsType !== undefined && entry.fsType !== access.fsType) return 'filesystem';
  return entry.flagsDigest === flagsDigest(capability) ? undefined : 'set of mount flags';
}

/** What the image and this node say of the volume. */
export interface StageFacts {
  readonly found: FoundVolume;
  readonly record: VolumeRecord | undefined;
  readonly fsid: string;
  readonly mapper: MapperName;
  /** Its filesystem was found sick, and is to be checked. */
  readonly mending?: boolean;
  readonly now: Date;
}

/** The entry that announces the stage, with its filesystem and its guests decided. BERTH_RECORD_UNREADABLE. */
export function intentOf(
  { volume, stagingPath, capability, readOnly, right, sandbox, withPods, ownUser }: StageVolume,
  before: JournalEntry | undefined,
  { found, record, fsid, mapper, mending = false, now }: StageFacts,
): JournalEntry {
  const { access, mode } = capability;
  const fsType = access.kind === 'mount' ? filesystemTypeOf(access.fsType, found) : undefined;
  const grant = grantShown(right);
  const guest = fsType === undefined ? undefined : guestAtStage(found.head.metadata, record?.shape, sandbox);
  const named = nameIn(found.head.metadata);
  return {
    version: 1,
    volume,
    fsid,
    imageId: found.head.id,
    stagingPath,
    state: 'staging',
    mode,
    access: access.kind,
    readOnly,
    ...(fsType === undefined ? {} : { fsType }),
    flagsDigest: flagsDigest(capability),
    mapper,
    ...(guest === undefined ? {} : { guest }),
    ...(named === undefined ? {} : { named }),
    ...(withPods === undefined ? {} : { withPods }),
    ...(mending ? { mending } : {}),
    ...(grant === undefined ? {} : { grant }),
    ...(ownUser === undefined ? {} : { ownUser }),
    // What the attach granted is not given back at the end,
    // but the record says then that the node has unmapped it (HolderRecords.release).
    holdsRecord: true,
    // A staging mount may be lost while pods still stand on theirs.
    targets: before?.targets ?? {},
    since: now.toISOString(),
  };
}

/** As the provisioner's --extra-create-metadata left it in the image. */
function nameIn(metadata: ReadonlyMap<string, string>): JournalEntry['named'] {
  const [name, namespace, pv] = [CLAIM_NAME_KEY, CLAIM_NAMESPACE_KEY, PV_NAME_KEY].map((key) => metadata.get(key));
  const claim = name === undefined || namespace === undefined ? {} : { claim: `${namespace}/${name}` };
  return name === undefined && pv === undefined ? undefined : { ...claim, ...(pv === undefined ? {} : { pv }) };
}

/** By which attach a node wants the volume; undefined where it is not told, or takes it itself. */
export const grantShown = (right: Right): string | undefined => (right.by === 'attach' ? right.grant : undefined);

/** The filesystem that the mapped device is to have, and how. */
export function preparationOf(
  entry: JournalEntry,
  { found, record }: Pick<StageFacts, 'found' | 'record'>,
  { device, isTypeAsked }: Pick<Preparation, 'device' | 'isTypeAsked'>,
): Preparation {
  const mkfsOptions = words(record?.shape.mkfsOptions ?? '');
  const { readOnly, mending: wasSick = false } = entry;
  const type = filesystemOfEntry(entry);
  return { found, device, type, isTypeAsked, readOnly, mkfsOptions, wasSick, forGuest: !isMountedHere(entry) };
}
