/**
 * One real Ceph cluster for all integration tests of a run; taken down afterwards whatever happens, also to what a
 * killed run left.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, realpath, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { clusterUp } from '../../src/dev/ceph/cluster.js';
import { lockDirectory } from '../../src/dev/lock.js';
import { ensurePackages } from '../../src/dev/packages.js';
import { say } from '../../src/dev/say.js';
import { siteAt } from '../../src/dev/site.js';
import { takeDown } from '../../src/dev/take-down.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

const PREFIX = 'berth-it-';
/**
 * The same clean-up in a process of its own, for a run that is interrupted: vitest exits before anything asynchronous
 * is done.
 */
const DEV = path.resolve('dist/src/dev/dev.js');

/** What a test worker is told; plain values, since it travels between processes. */
export interface ProvidedCluster {
  readonly directory: string;
  readonly clusterDirectory: string;
  /** Below it tests keep state directories, staging paths and the like: all of it is undone at the end. */
  readonly scratch: string;
  readonly conf: string;
  readonly fsid: string;
  readonly monitors: readonly string[];
  readonly pool: string;
  readonly users: Readonly<Record<'controller' | 'node', { readonly id: string; readonly key: string }>>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    cluster: ProvidedCluster;
  }
}

/** Directories of runs that were killed: nobody holds them any more. */
async function takeDownStale(): Promise<void> {
  for (const name of await readdir(os.tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = await realpath(path.join(os.tmpdir(), name));
    const lock = await lockDirectory(directory, 'serve', 'stale?', Deadline.after(0)).catch(() => undefined);
    if (lock === undefined) continue;
    await lock.release();
    await takeDown(directory);
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await ensurePackages(run, say, Deadline.after(900_000));
  await takeDownStale();
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), PREFIX)));
  const site = siteAt(directory);
  const lock = await lockDirectory(directory, 'serve', 'integration tests', Deadline.after(1_000));
  await writeFile(site.mark, '');
  const interrupted = (): void => {
    if (existsSync(DEV)) spawn(process.execPath, [DEV, '--dir', directory, '--down'], { detached: true }).unref();
  };
  process.once('exit', interrupted);
  const teardown = async (): Promise<void> => {
    await lock.release();
    await takeDown(directory);
    process.off('exit', interrupted);
  };
  try {
    const cluster = await clusterUp(run, { directory: site.cluster }, Deadline.after(90_000));
    const { controller, node } = cluster.users;
    project.provide('cluster', {
      directory,
      clusterDirectory: cluster.directory,
      scratch: site.state,
      conf: cluster.conf,
      fsid: cluster.fsid,
      monitors: [...cluster.monitors],
      pool: cluster.pools[0]!.name,
      users: {
        controller: { id: controller.id, key: controller.key.reveal() },
        node: { id: node.id, key: node.key.reveal() },
      },
    });
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
