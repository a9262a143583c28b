/** The programs that volumes need, by what they are needed for, with their versions. */
import { filesystems } from '../../host/filesystem/filesystems.js';
import { FILESYSTEMS } from '../../model/capability.js';
import { Deadline } from '../../model/deadline.js';
import { isBerthError } from '../../model/errors.js';
import type { Finding } from '../../model/finding.js';
import type { Exec } from '../../host/process/exec.js';
import { findProgram } from '../../host/process/find-program.js';

interface ProgramPurpose {
  readonly name: string;
  /** What cannot be done without all of them. */
  readonly without: string;
  readonly level: 'warning' | 'failed';
  /** The package in which Debian has them. */
  readonly packages: string;
  readonly programs: readonly string[];
  /** Asked of the first program. */
  readonly version: string;
}

const PURPOSES: readonly ProgramPurpose[] = [
  {
    name: 'mount',
    level: 'failed',
    packages: 'mount util-linux',
    version: '--version',
    programs: ['mount', 'umount', 'blkid', 'blockdev'],
    without: 'no volume can be staged',
  },
  ...FILESYSTEMS.map(
    (type): ProgramPurpose => ({ name: type, level: 'warning', version: '-V', ...filesystems[type].needs }),
  ),
];
const VERSION_MS = 3_000;

/** One finding for each purpose; versions are asked for only where `exec` is given. */
export function checkPrograms(exec: Exec | undefined): Promise<readonly Finding[]> {
  return Promise.all(PURPOSES.map((purpose) => check(purpose, exec)));
}

async function check({ name, level, without, packages, programs, version }: ProgramPurpose, exec: Exec | undefined) {
  const found = programs.map((one) => ({ one, file: findProgram(one) }));
  const missing = found.filter(({ file }) => file === undefined).map(({ one }) => one);
  if (missing.length > 0) {
    return { name, level, says: `${missing.join(', ')} not installed: ${without}; install ${packages}` };
  }
  const [first = ''] = programs;
  const says = exec === undefined ? programs.join(', ') : await versionOf(exec, first, version);
  return { name, level: 'ok' as const, says };
}

/** The first line of what it prints of itself; some print it to standard error. */
export async function versionOf(exec: Exec, program: string, argument: string): Promise<string> {
  try {
    const { stdout, stderr } = await exec(program, [argument], {
      deadline: Deadline.after(VERSION_MS),
      okCodes: [0, 1],
    });
    return `${stdout}\n${stderr}`.trim().split('\n')[0] ?? program;
  } catch (error) {
    if (!isBerthError(error)) throw error;
    return `${program} (its version is not known: ${error.message})`;
  }
}
