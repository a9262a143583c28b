/** Takes a cluster down and removes what `up` made, also when half of it is missing. */
import os from 'node:os';
import path from 'node:path';
import type { Deadline } from '../../model/deadline.js';
import { realDirectory, removeTree } from '../directory.js';
import { lockDirectory } from '../lock.js';
import { runningDaemons, stopDaemons } from './daemons.js';
import { layoutOf, made } from './layout.js';
import { readRecord } from './cluster-record.js';

/** The cluster's fsid (empty where none was made) and whether all its daemons run; asks nobody but the kernel. */
export async function clusterState(directory: string): Promise<{ readonly fsid: string; readonly lives: boolean }> {
  const real = await realDirectory(directory);
  if (real === undefined) return { fsid: '', lives: false };
  const layout = layoutOf(real);
  const { mon, mgr, osd } = await runningDaemons(layout);
  // A record that cannot be read must not keep the rest from being removed.
  const record = await readRecord(layout).catch(() => undefined);
  return { fsid: record?.fsid ?? '', lives: mon !== undefined && mgr !== undefined && osd !== undefined };
}

/**
 * Stop the daemons and remove what `up` made; the directory itself stays. Idempotent.
 * LEFTOVER where a process does not end or something is still mounted there,
 * BERTH_DIRECTORY_BUSY where somebody else is at work on it until the deadline.
 */
export async function clusterDown(directory: string, deadline: Deadline): Promise<void> {
  const real = await realDirectory(directory);
  if (real === undefined) return;
  const layout = layoutOf(real);
  const lock = await lockDirectory(real, 'change', 'taking the cluster down', deadline);
  try {
    await stopDaemons(layout, deadline);
    const sockets = (await readRecord(layout).catch(() => undefined))?.sockets;
    // Only a directory of the kind that we make: the record is a file that anybody may have edited.
    if (sockets !== undefined && /^berth-\w{6}$/.test(path.relative(os.tmpdir(), sockets))) await removeTree(sockets);
    for (const part of [...made(layout), `${layout.record}.new`]) await removeTree(part);
  } finally {
    await lock.release();
  }
}
