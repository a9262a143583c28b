/** The worker's connections: one per monitors, user and key; made on first use, shared, closed when idle or broken. */
import { Deadline } from '../../../model/deadline.js';
import type { CephLibraries } from '../foreign/bindings.js';
import { losesConnection } from '../ceph-errors.js';
import type { Lanes } from './connection/lanes.js';
import { connect, type ConnectOptions } from './cluster-connection.js';
import type { ClusterConnection } from './cluster-connection.js';
import type { WireAccess, WorkerOptions } from '../worker-messages.js';

export type ConnectionOptions = ConnectOptions & Pick<WorkerOptions, 'idleMs'>;

interface Entry {
  readonly link: Promise<ClusterConnection>;
  /** Counted before the first await: a handle that is freed under a caller is a SIGSEGV. */
  users: number;
  dropped: boolean;
  idle: NodeJS.Timeout | undefined;
}

export class Connections {
  readonly #ceph: CephLibraries;
  readonly #lanes: Lanes;
  readonly #options: ConnectionOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(ceph: CephLibraries, lanes: Lanes, options: ConnectionOptions) {
    this.#ceph = ceph;
    this.#lanes = lanes;
    this.#options = options;
  }

  /**
   * Run `work` over the connection of `access`, on a thread of its lane. An error that loses the connection drops it.
   */
  async use<T>(
    access: WireAccess,
    deadline: Deadline,
    what: string,
    work: (link: ClusterConnection) => Promise<T>,
  ): Promise<T> {
    const lane = laneOf(access);
    const entry = this.#entries.get(lane) ?? this.#connect(lane, access);
    entry.users += 1;
    clearTimeout(entry.idle);
    try {
      const link = await entry.link;
      return await this.#lanes.run(lane, deadline, what, () => work(link));
    } catch (error) {
      if (losesConnection(error)) this.#forget(lane, entry);
      throw error;
    } finally {
      entry.users -= 1;
      this.#left(lane, entry);
    }
  }

  /** The next call makes a new connection: with what this one was told of its rights, it gets nowhere. */
  forget(access: WireAccess): void {
    const lane = laneOf(access);
    const entry = this.#entries.get(lane);
    if (entry === undefined) return;
    this.#forget(lane, entry);
    if (entry.users === 0) void shut(entry);
  }

  /** Close all that nobody uses and wait for it; the others close when their last user leaves. */
  async close(): Promise<void> {
    const entries = [...this.#entries];
    for (const [lane, entry] of entries) this.#forget(lane, entry);
    await Promise.all(entries.filter(([, entry]) => entry.users === 0).map(([, entry]) => shut(entry)));
  }

  #connect(lane: string, access: WireAccess): Entry {
    const limit = Deadline.after(this.#options.connectSeconds * 1000);
    const link = this.#lanes.run(lane, limit, `connect to cluster ${access.cluster}`, () =>
      connect(this.#ceph, access, this.#options),
    );
    const entry: Entry = { link, users: 0, dropped: false, idle: undefined };
    this.#entries.set(lane, entry);
    link.catch(() => this.#forget(lane, entry));
    return entry;
  }

  #forget(lane: string, entry: Entry): void {
    clearTimeout(entry.idle);
    entry.dropped = true;
    if (this.#entries.get(lane) === entry) this.#entries.delete(lane);
  }

  #left(lane: string, entry: Entry): void {
    if (entry.users > 0) return;
    if (entry.dropped) {
      void shut(entry);
      return;
    }
    entry.idle = setTimeout(() => {
      this.#forget(lane, entry);
      void shut(entry);
    }, this.#options.idleMs);
  }
}

const laneOf = ({ monitors, user, key }: WireAccess): string => JSON.stringify([monitors, user, key]);

async function shut(entry: Entry): Promise<void> {
  const link = await entry.link.catch(() => undefined);
  await link?.close();
}
