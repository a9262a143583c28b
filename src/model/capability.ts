/**
 * How a volume is to be used, in Berth's own words:
 * what the edges make of CSI's VolumeCapability and FlexVolume's options.
 */
import { saysReadOnly } from './mount/mount-flags.js';

export const ACCESS_MODES = [
  'SINGLE_NODE_WRITER',
  'SINGLE_NODE_READER_ONLY',
  'MULTI_NODE_READER_ONLY',
  'MULTI_NODE_SINGLE_WRITER',
  'MULTI_NODE_MULTI_WRITER',
  'SINGLE_NODE_SINGLE_WRITER',
  'SINGLE_NODE_MULTI_WRITER',
] as const;

export type AccessMode = (typeof ACCESS_MODES)[number];

/** Is this text, from a record or a request, one of the modes? */
export const isAccessMode = (value: unknown): value is AccessMode => ACCESS_MODES.some((one) => one === value);

/** Every filesystem that Berth makes; what it knows of each is in host/filesystem/filesystems.ts. */
export const FILESYSTEMS = ['ext4', 'xfs'] as const;

export type FilesystemType = (typeof FILESYSTEMS)[number];

/** What a volume gets where neither the caller, its StorageClass nor its image says. */
export const DEFAULT_FILESYSTEM: FilesystemType = 'ext4';

/** Is this text, from a record or a request, one of {@link FILESYSTEMS}? */
export const isFilesystemType = (value: unknown): value is FilesystemType => FILESYSTEMS.some((one) => one === value);

export interface BlockAccess {
  readonly kind: 'block';
}

export interface MountAccess {
  readonly kind: 'mount';
  /** Undefined where the caller left the choice to the volume. */
  readonly fsType: FilesystemType | undefined;
  /** May be sensitive (CSI 1.12): never logged. */
  readonly mountFlags: readonly string[];
  /** A gid for the volume's files (VOLUME_MOUNT_GROUP), empty for none. */
  readonly group: string;
}

export interface Capability {
  readonly access: BlockAccess | MountAccess;
  readonly mode: AccessMode;
}

/** May this mode write at all? */
export const isReaderMode = (mode: AccessMode): boolean =>
  mode === 'SINGLE_NODE_READER_ONLY' || mode === 'MULTI_NODE_READER_ONLY';

/**
 * Does a stage or a publish ask for a volume that is only read: by its own flag, by the access mode, or by the mount
 * flag `ro`? The device is mapped, or the mount made, accordingly.
 */
export const asksReadOnly = ({ access, mode }: Capability, readOnlyFlag: boolean): boolean =>
  readOnlyFlag || isReaderMode(mode) || (access.kind === 'mount' && saysReadOnly(access.mountFlags));

/** May more than one node have a volume in this mode? */
export const isMultiNode = (mode: AccessMode): boolean => mode.startsWith('MULTI_NODE');

/** May a second target path on the same node be published (CSI 1.12, NodePublishVolume table)? */
export const allowsManyTargets = (mode: AccessMode): boolean =>
  isMultiNode(mode) || mode === 'SINGLE_NODE_MULTI_WRITER';
