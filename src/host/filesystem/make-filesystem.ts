/**
 * Makes a filesystem on an empty device. That it is empty is checked here, because mkfs.ext4 without a terminal
 * overwrites without asking.
 */
import type { FilesystemType } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { deviceNumber, deviceSizeBytes } from '../device/block-device.js';
import type { Exec } from '../process/exec.js';
import { readMounts } from '../mount/mountinfo.js';
import { filesystems } from './filesystems.js';
import { mkfsVersion } from './mkfs/mkfs-version.js';
import { parseMkfsOptions } from './mkfs/mkfs-options.js';
import { probeDevice } from './probe-device.js';

export interface NewFilesystem {
  readonly device: string;
  readonly type: FilesystemType;
  readonly uuid: string;
  /** The user's, split at spaces (mkfs-options.ts says which). */
  readonly options: readonly string[];
  /** Only to repeat a mkfs of our own that did not end, known from the volume's record: then content is overwritten. */
  readonly force?: boolean;
  /** The caller has just probed the device, alone with it, and found it empty: it is not read a second time. */
  readonly probed?: boolean;
}

/**
 * Run mkfs. BERTH_FORMAT_REFUSED where the device holds anything, is mounted or too small; BERTH_FIELD_INVALID for
 * options; BERTH_PROBE_FAILED, BERTH_DEVICE_INVALID, BERTH_COMMAND_FAILED, DEADLINE. The deadline stands still
 * while mkfs runs. A mkfs that was cut short, with the driver, leaves half a filesystem.
 */
export async function makeFilesystem(exec: Exec, wanted: NewFilesystem, deadline: Deadline): Promise<void> {
  const { device, type, uuid, force = false, probed = false } = wanted;
  const { minimumBytes, mkfsArguments } = filesystems[type];
  const options = parseMkfsOptions('mkfs options', type, wanted.options);
  const formatRefusedError = (why: string) => berthError('BERTH_FORMAT_REFUSED', { volume: device, why });
  const sizeBytes = await deviceSizeBytes(device);
  if (sizeBytes < minimumBytes)
    throw formatRefusedError(`${sizeBytes} bytes are too few for ${type}, ${minimumBytes} are needed`);
  const number = await deviceNumber(device);
  const mount = (await readMounts()).find((one) => one.device === number);
  if (mount !== undefined) throw formatRefusedError(`it is mounted at ${mount.target}`);
  if (!force && !probed) {
    const content = await probeDevice(exec, device, deadline);
    if (content.kind !== 'empty')
      throw formatRefusedError(`it holds ${content.kind === 'other' ? content.what : content.type}`);
  }
  const tool = await mkfsVersion(exec, type, deadline);
  const args = mkfsArguments({ uuid, options, force, sizeBytes, tool });
  // The record says that it is being made: cut now, it would have to be made anew.
  await exec(`mkfs.${type}`, [...args, device], { deadline, work: { endsWhatIsBegun: true } });
}
