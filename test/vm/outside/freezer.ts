/** Stops daemons of the cluster where they stand and lets them go on, and sees to it that they serve again. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from '../../../src/dev/ceph/admin.js';
import { runningDaemons } from '../../../src/dev/ceph/daemons.js';
import type { Layout } from '../../../src/dev/ceph/layout.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Daemon } from '../wire.js';

const DAEMONS: readonly Daemon[] = ['mon', 'mgr', 'osd'];
/** The read leases of this cluster's placement groups last for 2 s (src/dev/ceph), ms. */
const LEASE_MS = 2_000;
const COMMAND_MS = 120_000;

export class Freezer {
  readonly #layout: Layout;
  readonly #admin: Admin;
  /** Pids, and when they were stopped. */
  readonly #frozen = new Map<number, { readonly daemon: Daemon; readonly at: number }>();

  constructor(layout: Layout, admin: Admin) {
    this.#layout = layout;
    this.#admin = admin;
  }

  async freeze(name: string): Promise<void> {
    const { daemon, pid } = await this.#find(name);
    process.kill(pid, 'SIGSTOP');
    // A thread stops when it comes to run: until then it may still answer.
    while (!(await standsStill(pid))) await sleep(5);
    if (!this.#frozen.has(pid)) this.#frozen.set(pid, { daemon, at: performance.now() });
  }

  async thaw(name: string): Promise<void> {
    const { pid } = await this.#find(name);
    await this.#wake(pid);
  }

  async thawAll(): Promise<void> {
    // The monitor before the OSD, which needs it.
    const pids = [...this.#frozen].sort(([, one], [, other]) => one.daemon.localeCompare(other.daemon));
    for (const [pid] of pids) await this.#wake(pid);
  }

  async #wake(pid: number): Promise<void> {
    process.kill(pid, 'SIGCONT');
    const was = this.#frozen.get(pid);
    this.#frozen.delete(pid);
    if (was?.daemon !== 'osd' || performance.now() - was.at < LEASE_MS) return;
    // Ceph 16 may leave placement groups "laggy" for ever once their leases are over and no other OSD is there to renew
    // them with. Marked down, as others would have had it by their heartbeats, it peers again and serves within two
    // seconds.
    await this.#admin.ceph(['osd', 'down', '0'], Deadline.after(COMMAND_MS));
  }

  async #find(name: string): Promise<{ daemon: Daemon; pid: number }> {
    const daemon = DAEMONS.find((one) => one === name);
    const found = daemon === undefined ? undefined : (await runningDaemons(this.#layout))[daemon];
    if (daemon === undefined || found === undefined) throw new Error(`no daemon "${name}" runs`);
    return { daemon, pid: found.pid };
  }
}

/** Is every thread of it stopped (proc(5))? One that has ended meanwhile is. */
async function standsStill(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const states = threads.map(async (thread) => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T');
    return stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
  });
  return (await Promise.all(states)).every((state) => state === 'T');
}
