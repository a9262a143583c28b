/**
 * A database lives on a volume: whatever happens to pod, node, driver and Ceph, every commit that was acknowledged is
 * there, and the tables are whole. The same for each way by which a pod gets its volume.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runningDaemons } from '../../src/dev/ceph/daemons.js';
import { layoutOf } from '../../src/dev/ceph/layout.js';
import { admin, cluster } from '../integration/ceph.js';
import { MiB } from '../integration/csi/capabilities.js';
import { outOfService, soon } from '../integration/fencing/fencing-controller.js';
import type { Driver } from '../integration/csi/driver.js';
import type { Volume } from '../integration/csi/volume.js';
import type { Acknowledged, Database } from './database.js';
import type { Way } from './way.js';

/** How long Ceph is silent, s. */
const SILENCE_S = Number(process.env['BERTH_SILENCE_S'] ?? 150);
const MOST_MS = 1_800_000;

/** Stands still from now on; what is returned lets it go on, also more than once, also where some of it has ended. */
function freeze(pids: readonly number[]): () => void {
  const frozen = new Set(pids);
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of frozen) goOn(pid);
    frozen.clear();
  };
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A pod on the first node, on a volume of its own. Clients commit to it; some commits are acknowledged already. */
async function committing(way: Way): Promise<{ readonly volume: Volume; readonly first: Database }> {
  const volume = await way.create();
  const first = await way.start(volume, way.one);
  await first.load();
  await first.commits(way.some);
  return { volume, first };
}

/** The next pod, once the one before is gone from its node: it has all that was acknowledged to that one. */
async function successor(
  way: Way,
  volume: Volume,
  acknowledged: Acknowledged,
  { from, on }: { readonly from: Driver; readonly on: Driver },
): Promise<Database> {
  await way.leave(volume, from);
  const next = await way.start(volume, on);
  expect(await next.findings(acknowledged)).toEqual([]);
  return next;
}

/** @param way of the file's beforeAll */
export function cases(way: () => Way): void {
  it(
    'pod killed while it commits: the next one, on the other node, has every acknowledged commit',
    async () => {
      const { one, two } = way();
      const { volume, first } = await committing(way());
      const second = await successor(way(), volume, await first.kill(), { from: one, on: two });
      expect(await second.pod.log()).toMatch(/Starting crash recovery/);
    },
    MOST_MS,
  );

  it(
    'driver killed, and stopped for its next release: the pod commits all the while, and its successor has all of it',
    async () => {
      const { one } = way();
      const { volume, first } = await committing(way());
      for (const end of ['SIGKILL', 'SIGTERM'] as const) {
        await one.stop(end);
        await first.commits(way().some);
        await one.start();
        await first.commits(way().some);
      }
      await successor(way(), volume, await first.kill(), { from: one, on: one });
    },
    MOST_MS,
  );

  it(
    'node frozen while it commits, and fenced: the pod on the other node has all of it, and what thaws writes nothing',
    async () => {
      const { one, two, controller } = way();
      const { volume, first } = await committing(way());
      const thaw = freeze([...first.pod.pids, ...(await way().clientsOf(one)), one.pid]);
      try {
        controller.views.set(one.nodeId, await outOfService());
        await controller.detach(volume, one.nodeId);
        const second = await way().start(volume, two);
        const there = await second.found();
        expect(await second.findings(first.acknowledged())).toEqual([]);
        await second.load();
        await second.commits(way().some);
        thaw();
        await first.refusesAll();
        // One that was on the disk already may be acknowledged late: it is among what the second pod found.
        for (const [client, number] of first.acknowledged()) expect(there.get(client)).toBeGreaterThanOrEqual(number);
        await second.commits(way().some);
        await first.kill();
        await successor(way(), volume, await second.kill(), { from: two, on: two });
      } finally {
        thaw();
      }
    },
    MOST_MS,
  );

  it(
    'volume grown while it commits, and the pod restarted: it has the new size, and all commits',
    async () => {
      const { one } = way();
      const { volume, first } = await committing(way());
      await way().grow(volume, one, 512 * MiB);
      await first.commits(way().some);
      const second = await successor(way(), volume, await first.stop(), { from: one, on: one });
      expect(await second.pod.sizeBytes()).toBeGreaterThan(400 * MiB);
    },
    MOST_MS,
  );

  it(
    `Ceph silent for ${SILENCE_S} s: the pod waits, commits again, and loses nothing`,
    async () => {
      const { one } = way();
      const { volume, first } = await committing(way());
      const osd = (await runningDaemons(layoutOf(cluster().clusterDirectory))).osd!.pid;
      process.kill(osd, 'SIGSTOP');
      try {
        await sleep(SILENCE_S * 1_000);
      } finally {
        process.kill(osd, 'SIGCONT');
        // Frozen for longer than its leases a lone OSD of Ceph 16 answers nothing before it has peered anew.
        await admin().ceph(['osd', 'down', '0'], soon());
      }
      await first.commits(way().some);
      await successor(way(), volume, await first.kill(), { from: one, on: one });
    },
    MOST_MS,
  );

  it(
    'snapshot while it commits: the restored database has all that was acknowledged before, the first one goes on',
    async () => {
      const { one, two } = way();
      const { volume, first } = await committing(way());
      const before = first.acknowledged();
      const copy = await way().copy(volume);
      const second = await way().start(copy, two);
      expect(await second.findings(before)).toEqual([]);
      await first.commits(way().some);
      await successor(way(), volume, await first.kill(), { from: one, on: one });
    },
    MOST_MS,
  );
}
