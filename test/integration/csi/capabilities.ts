/** Volume capabilities as Kubernetes sends them, short enough to read in a test. */
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import type { AccessMode } from '../../../src/model/capability.js';

/** What the sidecars make of a claim's access modes for a driver with SINGLE_NODE_MULTI_WRITER. */
export const RWO = 'SINGLE_NODE_MULTI_WRITER';
export const RWOP = 'SINGLE_NODE_SINGLE_WRITER';
export const ROX = 'MULTI_NODE_READER_ONLY';
export const RWX = 'MULTI_NODE_MULTI_WRITER';

export const block = (mode: AccessMode = RWO): VolumeCapability => ({ block: {}, accessMode: { mode } });

export const mount = (
  fsType: string,
  mode: AccessMode = RWO,
  mountFlags: readonly string[] = [],
): VolumeCapability => ({ mount: { fsType, mountFlags: [...mountFlags] }, accessMode: { mode } });

export const xfs = (mode?: AccessMode, flags?: readonly string[]): VolumeCapability => mount('xfs', mode, flags);
export const ext4 = (mode?: AccessMode, flags?: readonly string[]): VolumeCapability => mount('ext4', mode, flags);

export const MiB = 2 ** 20;
/** The smallest that mkfs.xfs makes. */
export const XFS_BYTES = 300 * MiB;
export const SMALL_BYTES = 32 * MiB;
export const bytes = (size: number): { requiredBytes: string; limitBytes: string } => ({
  requiredBytes: String(size),
  limitBytes: String(size),
});
