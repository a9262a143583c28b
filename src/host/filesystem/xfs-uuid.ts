/**
 * A uuid of its own for a copy of an xfs: the kernel mounts no two of one uuid unless it is told `nouuid`, and tools
 * that go by uuid take one for the other.
 */
import type { Deadline } from '../../model/deadline.js';
import { deviceNumber } from '../device/block-device.js';
import { readMounts } from '../mount/mountinfo.js';
import type { Exec } from '../process/exec.js';
import type { NewUuid, UuidChange } from './filesystem.js';
import { hasFilesystem } from './probe-device.js';

/** mount(8), and umount(8) after it: whatever they say, the mount that follows says it better. */
const ANY_END = [0, 1, 2, 4, 8, 16, 32, 64, 126, 127];
/** In a mount namespace that ends with the child: nothing of it is left where it is killed. */
const MOUNT_AND_UNMOUNT = 'mount -t xfs -o nouuid -- "$1" "$2" && umount -- "$2"';

export const xfsUuid: UuidChange = { applyJournal, set };

async function applyJournal(exec: Exec, device: string, directory: string, deadline: Deadline): Promise<boolean> {
  const args = ['--mount', '--', 'sh', '-c', MOUNT_AND_UNMOUNT, 'berth-apply-log', device, directory];
  const result = await exec('unshare', args, { deadline, okCodes: ANY_END, work: {} });
  return result.exitCode === 0;
}

/**
 * xfs_db (what xfs_admin -U runs) writes the whole log anew and then the superblocks. It refuses a log that has to be
 * applied, with exit code 0. Cut short between log and superblocks, it goes on by itself; cut short within the log, it
 * cannot read it, and xfs_repair makes the log anew, which held nothing when the change began. Cut short at the
 * beginning of the log, it numbers the new one from 1, and no kernel mounts metadata with a higher number: xfs_repair
 * numbers it on (all measured with xfsprogs 6.1).
 */
async function set(exec: Exec, { device, uuid, wasBegun }: NewUuid, deadline: Deadline): Promise<boolean> {
  // They ask before they write, and confined they see no mounts.
  const number = await deviceNumber(device);
  if ((await readMounts()).some((mount) => mount.device === number)) return false;
  const isSet = await setUuid(exec, device, uuid, deadline);
  if (isSet && wasBegun) await run(exec, 'xfs_repair', [], device, deadline);
  return isSet;
}

async function setUuid(exec: Exec, device: string, uuid: string, deadline: Deadline): Promise<boolean> {
  const change = async (): Promise<{ readonly isDone: boolean; readonly isLogTorn: boolean }> => {
    const args = ['-x', '-p', 'xfs_admin', '-c', `uuid ${uuid}`];
    const { stdout, stderr } = await run(exec, 'xfs_db', args, device, deadline);
    const isDone = await hasFilesystem(exec, device, { type: 'xfs', uuid }, deadline);
    return { isDone, isLogTorn: !isDone && !/valuable metadata changes/.test(stdout + stderr) };
  };
  const first = await change();
  if (first.isDone || !first.isLogTorn) return first.isDone;
  await run(exec, 'xfs_repair', ['-L'], device, deadline);
  return (await change()).isDone;
}

/**
 * They end by a flush of the device (BLKFLSBUF), which wants CAP_SYS_ADMIN: xfs_db goes on without it and is flushed
 * for here, xfs_repair gives up and is left that one capability.
 */
async function run(
  exec: Exec,
  file: 'xfs_db' | 'xfs_repair',
  args: readonly string[],
  device: string,
  deadline: Deadline,
) {
  const confine = { device, writable: true, seesNoMounts: true, mayFlush: file === 'xfs_repair' };
  const work = { endsWhatIsBegun: true } as const;
  const result = await exec(file, [...args, device], { deadline, okCodes: ANY_END, work, confine });
  if (!confine.mayFlush) await exec('blockdev', ['--flushbufs', device], { deadline });
  return result;
}
