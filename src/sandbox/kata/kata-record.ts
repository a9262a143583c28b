/**
 * The record by which both Kata runtimes (Go and runtime-rs) learn of a direct-assigned volume: its text, its name, and
 * reading it back.
 */
import { filesystems } from '../../host/filesystem/filesystems.js';

import type { FilesystemType } from '../../model/capability.js';
import { berthError } from '../../model/errors.js';
import { checkMountFlags, isSelinuxFlag, readMountFlags } from '../../model/mount/mount-flags.js';
import { parseJson } from '../../model/parse-json.js';

/** What a guest is to mount, and how. */
export interface DirectVolume {
  /** The volume's handle, under our own key, so that a record of another driver is never taken for ours. */
  readonly volume: string;
  /** On the host: `/dev/rbd0`. */
  readonly device: string;
  readonly fsType: FilesystemType;
  readonly readOnly: boolean;
  /** As the orchestrator gave them; they may be sensitive, the record is 0600. */
  readonly flags: readonly string[];
  /** A gid as a decimal number, empty for none. */
  readonly group: string;
}

/**
 * The file's members, spelled as Go's and Rust's structures spell
 * them since Kata 3.3 (runtime-rs before wanted `volume_type`).
 */
export interface MountInfo {
  /** Go ignores it; runtime-rs knows `directvol` for a block device and refuses what it does not know. */
  readonly 'volume-type': 'directvol';
  readonly device: string;
  readonly fstype: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly options: readonly string[];
}

export const VOLUME_ID = 'rbd.csi.berth.dev/volume-id';
/** NAME_MAX */
const MAX_NAME_BYTES = 255;
const MAX_GID = 0xffff_ffff;
/** For mount(8) or systemd alone: the guest's agent would hand them to the kernel, which refuses them. */
const USER_SPACE_ONLY = new Set(['', 'defaults', 'auto', 'noauto', 'nofail', '_netdev', 'ro', 'rw']);

/**
 * The record's directory: the padded URL-safe base64 of the path, byte by byte. BERTH_FIELD_INVALID for a path that no
 * file name can hold (more than 189 bytes): both runtimes look under this name and no other.
 */
export function recordName(path: string): string {
  const name = Buffer.from(path).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  if (name.length > MAX_NAME_BYTES) {
    const why = `${path} has ${Buffer.byteLength(path)} bytes, the name of a Kata record holds at most 189`;
    throw berthError('BERTH_FIELD_INVALID', { field: 'target_path', why });
  }
  return name;
}

/** The path that a record is for; undefined for a name that is none of a record. */
export function pathOfName(name: string): string | undefined {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(name)) return undefined;
  const path = Buffer.from(name, 'base64url').toString();
  return path.startsWith('/') && recordNameOrNone(path) === name ? path : undefined;
}

/** Undefined for a path that no record can be of. */
export function recordNameOrNone(path: string): string | undefined {
  return Buffer.byteLength(path) > 189 ? undefined : recordName(path);
}

/** BERTH_FIELD_INVALID for flags that are not about how a filesystem is mounted, and for a group that is no gid. */
export function mountInfoOf({ volume, device, fsType, readOnly, flags, group }: DirectVolume): MountInfo {
  checkMountFlags('mount flags', flags);
  const asked = readMountFlags(flags)
    .filter((flag) => !USER_SPACE_ONLY.has(flag.name) && !isSelinuxFlag(flag))
    .map(({ text }) => text);
  return {
    'volume-type': 'directvol',
    device,
    fstype: fsType,
    metadata: { [VOLUME_ID]: volume, ...groupMetadata(group) },
    options: [...new Set([...filesystems[fsType].mountOptions(readOnly), ...asked])],
  };
}

/** Go fails the container for a group that is not 1 to 2^32-1; 0 is what the files have anyway. */
function groupMetadata(group: string): Readonly<Record<string, string>> {
  if (group === '') return {};
  if (!/^\d{1,10}$/.test(group) || Number(group) > MAX_GID)
    throw berthError('BERTH_FIELD_INVALID', { field: 'volume_mount_group', why: `${group} is no group id` });
  if (Number(group) === 0) return {};
  // kubelet does not tell its policy; walking all files at every start of a container is what nobody wants.
  return { fsGroup: String(Number(group)), fsGroupChangePolicy: 'OnRootMismatch' };
}

export const formatMountInfo = (info: MountInfo): string => JSON.stringify(info);

/** As strict as the stricter runtime (runtime-rs): undefined for what it would not read. */
export function parseMountInfo(text: string): MountInfo | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { 'volume-type': type, device, fstype, metadata = {}, options = [] } = value as Record<string, unknown>;
  if (type !== 'directvol' || typeof device !== 'string' || typeof fstype !== 'string') return undefined;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return undefined;
  const isText = (one: unknown): one is string => typeof one === 'string';
  if (!Object.values(metadata).every(isText) || !Array.isArray(options) || !options.every(isText)) return undefined;
  return { 'volume-type': type, device, fstype, metadata: metadata as Record<string, string>, options };
}

/** The volume that a record of ours is about. */
export const volumeOf = (info: MountInfo | undefined): string | undefined => info?.metadata[VOLUME_ID];
