/** Undoing a krbd mapping: by device, without udev, done only when sysfs shows it gone. */
import { pollUntil } from '../../../model/time-limit.js';
import type { Exec } from '../../../host/process/exec.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import { imageSpec } from '../../../model/volume-id.js';
import { runToAnswer } from '../../../host/process/run-to-answer.js';
import { cephTimeouts } from '../ceph-client.js';
import { describeUsers, deviceUsers, passingMs } from '../device-users.js';
import { readKrbdDevices } from './krbd-sysfs.js';
import { sameLocation } from '../location-name.js';
import type { Mapping } from '../mapper.js';
import { lastWords, rbdSaysBusy, saysNotMapped, type RbdRefusal } from '../rbd-messages.js';
import type { KernelRoots } from '../roots.js';

const UNSEEN = 'the kernel has it open for somebody who cannot be seen from here';

/** Unmap; gone already is a success. BERTH_UNMAP_BUSY naming the users, BERTH_UNMAP_FAILED, DEADLINE. */
export async function unmapKrbd(exec: Exec, roots: KernelRoots, mapping: Mapping, deadline: Deadline): Promise<void> {
  const begun = performance.now();
  const attempt = async (): Promise<true | undefined> => {
    const refusal = await tryUnmap(exec, roots, mapping, deadline);
    if (refusal === undefined) return true;
    const { device } = mapping;
    const image = imageSpec(mapping.location);
    if (!rbdSaysBusy(refusal)) throw berthError('BERTH_UNMAP_FAILED', { device, image, why: lastWords(refusal) });
    const users = await deviceUsers(device, roots);
    // A mount does not pass by itself; a process that has it open may be a probe.
    if (!deadline.expired && performance.now() - begun < passingMs(users)) return undefined;
    throw berthError('BERTH_UNMAP_BUSY', { device, image, who: describeUsers(users) ?? UNSEEN });
  };
  await pollUntil(attempt, `unmapping ${mapping.device}`, deadline);
}

/** Undefined when the mapping is gone, whoever did it; else what rbd said. */
async function tryUnmap(
  exec: Exec,
  roots: KernelRoots,
  mapping: Mapping,
  deadline: Deadline,
): Promise<RbdRefusal | undefined> {
  const gone = (): Promise<true | undefined> => Promise.resolve(isGone(roots, mapping) ? true : undefined);
  if (await gone()) return undefined;
  const args = ['--conf', '/dev/null', 'unmap', '--options', 'noudev', mapping.device];
  try {
    const result = await runToAnswer(exec, 'rbd', args, { deadline, env: cephTimeouts(deadline) });
    if (result.exitCode !== 0 && !saysNotMapped(result)) return (await gone()) ? undefined : result;
    await pollUntil(gone, `the removal of ${mapping.device}`, deadline);
    return undefined;
  } catch (error) {
    // Killed or late, and yet done: the kernel's word counts.
    if (isBerthError(error, 'BERTH_DEADLINE', 'BERTH_COMMAND_FAILED') && (await gone())) return undefined;
    throw error;
  }
}

/** Device numbers are used again: another image at rbdN is not this mapping. */
function isGone(roots: KernelRoots, { device, location }: Mapping): boolean {
  const devices = readKrbdDevices(roots.sys);
  return !devices.some((one) => `/dev/rbd${one.id}` === device && sameLocation(one.location, location));
}
