/**
 * `--down`: end whoever serves the directory, undo what its drivers left on this machine, remove the cluster and every
 * file we made.
 */
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../host/process/exec.js';
import { Deadline } from '../model/deadline.js';
import { clusterDown, clusterState } from './ceph/down.js';
import { realDirectory, removeIfEmpty, removeTree } from './directory.js';
import { clearLeftovers } from './leftovers.js';
import { lockOwnerOf, lockDirectory } from './lock.js';
import { findProcesses, stopProcesses } from './processes.js';
import { madeIn, siteAt } from './site.js';

const DOWN_MS = 90_000;
/** The one that serves passes SIGTERM on to its driver and waits for the drain. */
const SERVER_GRACE_MS = 40_000;

/** Other clusters below the directory (tests make some), or daemons of ours whose files somebody removed. */
async function stopCephBelow(directory: string, deadline: Deadline): Promise<void> {
  const isCeph = /^ceph-(mon|mgr|osd)$/;
  const left = await findProcesses(
    (one) => isCeph.test(one.program) && one.argv.some((argument) => argument.startsWith(`${directory}/`)),
  );
  await stopProcesses(left, 0, deadline);
}

/** Who serves a driver there, if anybody does. */
async function endServer(own: string, deadline: Deadline): Promise<void> {
  const owner = await lockOwnerOf(own, 'serve', deadline);
  if (owner === undefined) return;
  await stopProcesses(await findProcesses((one) => one.pid === owner.pid), SERVER_GRACE_MS, deadline);
}

/**
 * Idempotent; works on what is there. Errors: LEFTOVER,
 * BERTH_UNMOUNT_BUSY, BERTH_DIRECTORY_BUSY, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function takeDown(directory: string): Promise<void> {
  const deadline = Deadline.after(DOWN_MS);
  const real = await realDirectory(path.resolve(directory));
  if (real === undefined) return;
  const site = siteAt(real);
  const named = await readdir(site.drivers).catch(() => []);
  await Promise.all([site, ...named.map((name) => siteAt(real, name))].map((one) => endServer(one.own, deadline)));
  const lock = await lockDirectory(real, 'serve', 'taking everything down', deadline);
  try {
    await clearLeftovers(run, real, await clusterState(site.cluster), deadline);
    await clusterDown(site.cluster, deadline);
    await stopCephBelow(real, deadline);
    for (const file of madeIn(site)) await removeTree(file);
    await removeIfEmpty(site.cluster);
    const madeByUs = await access(site.mark).then(
      () => true,
      () => false,
    );
    await removeTree(site.mark);
    if (madeByUs) await removeIfEmpty(real);
  } finally {
    await lock.release();
  }
}
