/** Is the clock kept right? Ceph's tickets have an hour, and a lease or a log line of a wrong clock misleads. */
import type { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import type { Exec } from '../../host/process/exec.js';
import { programFile } from '../../model/package-root.js';

const PROGRAM = programFile('host/clock/kernel-clock.js');
/** STA_UNSYNC and TIME_ERROR of linux/timex.h: nobody has set the clock right for a while. */
const UNSYNCHRONISED = 0x40;
const TIME_ERROR = 5;
const NAME = 'clock';

/**
 * By the kernel's own word: whoever keeps the clock (chrony, ntpd, timesyncd, a hypervisor's agent) tells the kernel.
 */
export async function checkClock(exec: Exec, deadline: Deadline): Promise<Finding> {
  try {
    return judgeClock((await exec(process.execPath, [PROGRAM], { deadline })).stdout);
  } catch (error) {
    if (!isBerthError(error)) throw error;
    return { name: NAME, level: 'warning', says: `the kernel does not say how its clock is kept: ${error.message}` };
  }
}

/** For the text that the program prints. */
export function judgeClock(text: string): Finding {
  const { state, status, maxErrorUs } = JSON.parse(text) as { state: number; status: number; maxErrorUs: number };
  if (state !== TIME_ERROR && (status & UNSYNCHRONISED) === 0) {
    return { name: NAME, level: 'ok', says: `kept right, at most ${Math.ceil(maxErrorUs / 1000)} ms off` };
  }
  const says =
    "nobody keeps the clock right, by the kernel's own word: Ceph refuses clients whose clock is an hour off; " +
    'start chrony or systemd-timesyncd';
  return { name: NAME, level: 'warning', says };
}
