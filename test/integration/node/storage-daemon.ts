/**
 * What the loop mapper's storage daemon serves, asked of the daemon itself, and what the driver's log says of its
 * children.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { isRecord } from '../../../src/dev/mapper/qmp.js';
import { StorageDaemon } from '../../../src/dev/mapper/storage-daemon.js';
import type { Driver } from '../csi/driver.js';

const daemonOf = ({ stateDir }: Driver): StorageDaemon =>
  new StorageDaemon({ exec: run, stateDir, runtimeDir: '/run/berth', procRoot: '/proc' });

/** The process that is the Ceph client of all that a driver has mapped; undefined where none runs. */
export const servingProcess = (driver: Driver): Promise<number | undefined> => daemonOf(driver).pid();

/** Files under which the daemon of a driver serves images now. */
export async function servedFiles(driver: Driver): Promise<readonly string[]> {
  const deadline = Deadline.after(10_000);
  const session = await daemonOf(driver).connect(deadline);
  if (session === undefined) return [];
  try {
    const exports = await session.execute('query-block-exports', {}, deadline);
    return (exports as readonly unknown[]).filter(isRecord).map((one) => String(one['id']));
  } finally {
    session.close();
  }
}

/** The log leaves the driver in bunches: all of it is there when it has what the driver says last. */
async function logIsWhole(driver: Driver): Promise<void> {
  const ends = async (): Promise<number> => (await driver.log()).split('"NodeGetInfo begins"').length;
  const before = await ends();
  await driver.node.NodeGetInfo({});
  while ((await ends()) === before) await sleep(20);
}

/** Commands that a driver ran between two moments of its log (characters). */
export async function childrenSince(driver: Driver, from: number): Promise<readonly string[]> {
  await logIsWhole(driver);
  const lines = (await driver.log()).slice(from).split('\n');
  return lines.filter((line) => line.includes('"child process ended"')).map(commandOf);
}

export async function logLength(driver: Driver): Promise<number> {
  await logIsWhole(driver);
  return (await driver.log()).length;
}

const commandOf = (line: string): string => (JSON.parse(line) as { readonly command: string }).command;
