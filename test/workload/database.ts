/**
 * A MariaDB whose data is on a volume. Clients outside commit without end, and what was acknowledged to them is written
 * down; nothing of it may ever be missing.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import type { MariadbPod } from '../../src/dev/workload/mariadb-pod.js';
import { accountsOf, Client, FILLER, TABLES } from './client.js';

const CLIENTS = [1, 2];
/** Both have it all the time, whatever the clients move between them. */
const AMOUNT = 1_000_000;
const ACCOUNTS = CLIENTS.flatMap(accountsOf);
/** Longer than this it hangs, also under emulation on a busy machine, ms. */
const HUNG_MS = 600_000;
const POLL_MS = 200;

/** The highest number that was acknowledged to each client. */
export type Acknowledged = ReadonlyMap<number, number>;

export class Database {
  readonly pod: MariadbPod;
  readonly #command: readonly string[];
  readonly #notes: FileHandle;
  readonly #acknowledged = new Map<number, number>();
  #clients: readonly Client[] = [];

  private constructor(pod: MariadbPod, tree: string, notes: FileHandle) {
    this.pod = pod;
    this.#notes = notes;
    const program = ['chroot', tree, '/usr/bin/mariadb', '--no-defaults', '--user=root'];
    this.#command = [...program, ...pod.address, '--batch', '--skip-column-names'];
  }

  /**
   * Of a pod that was started; it answers queries when this returns, and the pod is killed where it does not.
   * @param tree root of a tree with the client; `notes` the file of what was acknowledged
   */
  static async open(pod: MariadbPod, tree: string, notes: string): Promise<Database> {
    const database = new Database(pod, tree, await open(notes, 'a', 0o600));
    try {
      await database.#answers();
      await database.query(`CREATE DATABASE IF NOT EXISTS w; USE w; ${TABLES(ACCOUNTS, AMOUNT)}`, 'mysql');
      return database;
    } catch (error) {
      await database.kill();
      throw error;
    }
  }

  async #answers(): Promise<void> {
    const until = performance.now() + HUNG_MS;
    for (;;) {
      const [answer] = await Promise.allSettled([this.query('SELECT 1', 'mysql')]);
      if (answer.status === 'fulfilled') return;
      const isAlive = await this.pod.isAlive();
      if (!isAlive || performance.now() > until)
        throw new Error(
          `MariaDB ${isAlive ? 'does not answer' : 'has ended'}: ${(await this.pod.log()).slice(-3_000)}`,
        );
      await sleep(POLL_MS);
    }
  }

  /** Lines of columns, with tabs between them. */
  async query(sql: string, database = 'w'): Promise<string> {
    const [program, ...args] = [...this.#command, database];
    return (await run(program, args, { deadline: Deadline.after(HUNG_MS), input: sql })).stdout;
  }

  /** Clients that commit until the server or they are ended. */
  async load(): Promise<void> {
    const first = async (client: number): Promise<number> =>
      Number(await this.query(`SELECT COALESCE(MAX(number),0)+1 FROM entry WHERE client=${client}`));
    const firsts = await Promise.all(CLIENTS.map(first));
    this.#clients = CLIENTS.map((client, index) => {
      const note = (number: number): Promise<void> => this.#note(client, number);
      return new Client([...this.#command, 'w'], client, firsts[index] ?? 1, note);
    });
  }

  async #note(client: number, number: number): Promise<void> {
    await this.#notes.write(`${client}\t${number}\n`);
    await this.#notes.datasync();
    this.#acknowledged.set(client, number);
  }

  get #total(): number {
    return [...this.#acknowledged.values()].reduce((sum, one) => sum + one, 0);
  }

  /** Resolves once this many more transactions were acknowledged. */
  async commits(count: number): Promise<void> {
    const wanted = this.#total + count;
    const until = performance.now() + HUNG_MS;
    const ended = Promise.all(this.#clients.map((one) => one.ended)).then((said) => said.join('; '));
    while (this.#total < wanted) {
      const state = await Promise.race([ended, sleep(POLL_MS, 'running')]);
      if (state === 'running' && performance.now() < until) continue;
      throw new Error(`no commits (${state}): ${(await this.pod.log()).slice(-3_000)}`);
    }
  }

  acknowledged(): Acknowledged {
    return new Map(this.#acknowledged);
  }

  /** The last number of each client that is there. */
  async found(): Promise<Acknowledged> {
    const rows = (await this.query('SELECT client, MAX(number) FROM entry GROUP BY client')).split('\n');
    return new Map(rows.filter(Boolean).map((row) => row.split('\t').map(Number) as [number, number]));
  }

  /** What of the acknowledged is not there, or is not whole; nothing for a database that is well. */
  async findings(acknowledged: Acknowledged): Promise<readonly string[]> {
    const found: string[] = [];
    const there = await this.found();
    for (const [client, last] of acknowledged) {
      const highest = there.get(client) ?? 0;
      if (highest < last) found.push(`client ${client}: ${last} was acknowledged, ${highest} is the last one`);
    }
    const gaps = await this.query('SELECT client FROM entry GROUP BY client HAVING COUNT(*) <> MAX(number)');
    if (gaps !== '') found.push(`entries are missing of client ${gaps}`);
    const wrong = await this.query(`SELECT COUNT(*) FROM entry WHERE filler <> ${FILLER}`);
    if (wrong !== '0') found.push(`${wrong} entries hold something else`);
    const sum = Number(await this.query('SELECT SUM(amount) FROM account'));
    if (sum !== ACCOUNTS.length * AMOUNT) found.push(`the amounts are ${sum} together: half a transaction is there`);
    const checked = (await this.query('CHECK TABLE entry, account EXTENDED')).trim().split('\n');
    return [...found, ...checked.filter((line) => !line.endsWith('status\tOK'))];
  }

  /** Resolves once no client goes on: the server refuses them, or is gone. */
  async refusesAll(): Promise<void> {
    await Promise.all(this.#clients.map((one) => one.ended));
  }

  /** Without warning; what was acknowledged until then. */
  async kill(): Promise<Acknowledged> {
    await this.pod.kill();
    return this.close();
  }

  /** In order: nothing is left to be recovered. */
  async stop(): Promise<Acknowledged> {
    await this.query('SHUTDOWN');
    await this.pod.ended();
    return this.close();
  }

  async close(): Promise<Acknowledged> {
    await Promise.all(this.#clients.map((one) => one.end()));
    await this.#notes.close();
    return this.acknowledged();
  }
}
