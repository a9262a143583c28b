/**
 * The three daemons of a cluster: started so that they outlive us,
 * found again by their command line, stopped within a bound.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { findProcesses, stopProcesses, type RunningProcess } from '../processes.js';
import { keyringOf, type Layout } from './layout.js';

export type DaemonKind = 'mon' | 'mgr' | 'osd';
export type Daemons = Readonly<Partial<Record<DaemonKind, RunningProcess>>>;

const KINDS: readonly DaemonKind[] = ['osd', 'mgr', 'mon'];
const ID: Readonly<Record<DaemonKind, string>> = { mon: 'a', mgr: 'x', osd: '0' };
/** The OSD flushes nothing on SIGTERM that a killed one could not replay; more patience gains nothing. */
const GRACE_MS = 4_000;
const RETRY_MS = 1_000;

const keyringFor = (layout: Layout, kind: DaemonKind): string =>
  kind === 'mon' ? `${layout.mon}/keyring` : keyringOf(layout, `${kind}.${ID[kind]}`);

/** Arguments that make a daemon ours: its configuration file, which names the directory. */
export const daemonArguments = (layout: Layout, kind: DaemonKind): readonly string[] => [
  '-c',
  layout.conf,
  '-i',
  ID[kind],
  '--keyring',
  keyringFor(layout, kind),
];

/** The daemons of this directory that run now, whoever started them. */
export async function runningDaemons(layout: Layout): Promise<Daemons> {
  const ours = await findProcesses(
    (one) => one.program.startsWith('ceph-') && one.argv.includes(layout.conf) && !one.argv.includes('--mkfs'),
  );
  return Object.fromEntries(
    KINDS.flatMap((kind) => {
      const found = ours.find((one) => one.program === `ceph-${kind}`);
      return found === undefined ? [] : [[kind, found]];
    }),
  );
}

async function lastErrors(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // Level -1 is what the daemon considers an error.
  const lines = text.split('\n').filter((line) => / -1 /.test(line));
  return lines.slice(-2).join(' | ');
}

/**
 * Start a daemon; it forks into the background and answers when it is initialised. BERTH_DAEMON_FAILED with its last
 * log lines. One that has just been killed may hold its locks for a moment longer than it is seen in /proc: hence the
 * second attempt.
 */
export async function startDaemon(exec: Exec, layout: Layout, kind: DaemonKind, deadline: Deadline): Promise<void> {
  const log = `${layout.log}/${kind}.${ID[kind]}.log`;
  const start = () => exec(`ceph-${kind}`, daemonArguments(layout, kind), { deadline });
  try {
    await start().catch(async () => {
      await sleep(RETRY_MS);
      await start();
    });
  } catch (error) {
    const why = [error instanceof Error ? error.message : String(error), await lastErrors(log)].join(' | ');
    throw berthError('BERTH_DAEMON_FAILED', { daemon: `ceph-${kind}`, why, log }, error);
  }
}

/** End what an earlier attempt that was killed left at work on stores that are about to be made anew. */
export async function stopMakers(layout: Layout, deadline: Deadline): Promise<void> {
  const makers = await findProcesses((one) => one.argv.includes(layout.conf) && one.argv.includes('--mkfs'));
  await stopProcesses(makers, 0, deadline);
}

/** Stop everything of Ceph that carries this directory in its command line, commands that hang included. */
export async function stopDaemons(layout: Layout, deadline: Deadline): Promise<void> {
  const ours = await findProcesses((one) => one.argv.includes(layout.conf) && /^(ceph|rbd|python)/.test(one.program));
  // Commands first, and the OSD before the monitor: it takes leave of it, and would wait five seconds without one.
  const daemons = KINDS.map((kind) => ours.filter((one) => one.program === `ceph-${kind}`));
  const commands = ours.filter((one) => !daemons.flat().includes(one));
  for (const some of [commands, ...daemons]) await stopProcesses(some, GRACE_MS, deadline);
}
