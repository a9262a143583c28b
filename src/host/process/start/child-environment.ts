/** What a child gets of our environment; ours may hold what children must not see. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH'];
/** mkfs, blkid and mount live here, and not every way to become root puts it on the path. */
const SYSTEM_PATH = '/usr/sbin:/sbin';

/** The C locale, a path with the system programs, and nothing that is a secret. */
export function childEnvironment(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  environment['PATH'] = `${environment['PATH'] ?? '/usr/bin:/bin'}:${SYSTEM_PATH}`;
  return { ...environment, ...added, LC_ALL: 'C' };
}
