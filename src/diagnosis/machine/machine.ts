/** Everything that can be told of this machine without changing anything. */
import { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import type { Exec } from '../../host/process/exec.js';
import { checkClock } from './clock.js';
import { checkDev, checkPropagation, checkSys } from './mounts.js';
import { checkNetwork, checkProcesses } from './namespaces.js';
import { checkPrivileges } from './privileges.js';
import { checkPrograms } from './programs.js';
import { checkStateDirectory } from './state-directory.js';
import { checkUdev } from './udev.js';

export interface MachineLook {
  readonly exec: Exec;
  readonly stateDirectory: string;
  readonly kubeletDirectory: string;
  /** Ask programs for their versions: a child process each. */
  readonly versions: boolean;
  readonly procRoot?: string;
}

type Check = () => Promise<Finding | readonly Finding[]>;

const EACH_MS = 5_000;

/** For a machine that volumes are brought to; always answers, a check that breaks is a finding itself. */
export async function lookAtNode(look: MachineLook): Promise<readonly Finding[]> {
  const { exec, procRoot = '/proc', kubeletDirectory } = look;
  const processes = await attempt('processes', () => checkProcesses(procRoot));
  const seesAll = processes.every(({ level }) => level === 'ok');
  const checks: Readonly<Record<string, Check>> = {
    privileges: () => checkPrivileges(procRoot),
    'state-directory': () => checkStateDirectory(look.stateDirectory, soon()),
    'mount-propagation': () => checkPropagation(procRoot, kubeletDirectory),
    dev: () => checkDev(procRoot),
    sysfs: () => checkSys(procRoot),
    'network-namespace': () => checkNetwork(procRoot),
    udev: () => checkUdev(procRoot, seesAll),
    programs: () => checkPrograms(look.versions ? exec : undefined),
  };
  const found = await Promise.all(Object.entries(checks).map(([name, check]) => attempt(name, check)));
  return [...found.flat(), ...processes, ...(await lookAtClock(exec))];
}

/** For a machine that only talks to clusters. */
export const lookAtClock = (exec: Exec): Promise<readonly Finding[]> =>
  attempt('clock', () => checkClock(exec, soon()));

/** Only what makes every volume fail, and quickly: for readiness. Undefined where there is nothing. */
export async function whyNotNode(stateDirectory: string, procRoot = '/proc'): Promise<string | undefined> {
  const findings = await Promise.all([
    attempt('privileges', () => checkPrivileges(procRoot)),
    attempt('state-directory', () => checkStateDirectory(stateDirectory, soon())),
    attempt('programs', () => checkPrograms(undefined)),
  ]);
  const failed = findings.flat().filter(({ level }) => level === 'failed');
  return failed.length === 0 ? undefined : failed.map(({ says }) => says).join('; ');
}

const soon = (): Deadline => Deadline.after(EACH_MS);

async function attempt(name: string, check: Check): Promise<readonly Finding[]> {
  try {
    const found = await check();
    return 'name' in found ? [found] : found;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown';
    return [{ name, level: 'warning', says: `could not be determined: ${why}` }];
  }
}
