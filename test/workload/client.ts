/** A client outside that commits without end: the next transaction begins once the one before was acknowledged. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Bytes of an entry: enough that pages are written back while it goes on. */
const REPEATS = 40;

export const TABLES = (accounts: readonly number[], amount: number): string =>
  [
    'CREATE TABLE IF NOT EXISTS entry (client INT, number INT, filler VARCHAR(2000), PRIMARY KEY (client, number))',
    'CREATE TABLE IF NOT EXISTS account (id INT PRIMARY KEY, amount BIGINT)',
    `INSERT IGNORE INTO account VALUES ${accounts.map((id) => `(${id},${amount})`).join(',')}`,
  ].join('; ');

/** What an entry has to hold. */
export const FILLER = `REPEAT(MD5(number),${REPEATS})`;

/** A client's two accounts. */
export const accountsOf = (client: number): readonly [number, number] => [2 * client, 2 * client + 1];

/** One transaction: an entry, and an amount that moves. It is acknowledged once COMMIT has returned. */
function transaction(client: number, number: number): string {
  const [from, to] = accountsOf(client);
  return [
    'START TRANSACTION',
    `INSERT INTO entry VALUES (${client},${number},REPEAT(MD5(${number}),${REPEATS}))`,
    `UPDATE account SET amount=amount-1 WHERE id=${from}`,
    `UPDATE account SET amount=amount+1 WHERE id=${to}`,
    'COMMIT',
    `SELECT 'ack',${number};\n`,
  ].join('; ');
}

export class Client {
  /** Why it has ended, in the words of its program. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;

  /** @param acknowledged is told of each number, before the next transaction begins */
  constructor(
    command: readonly string[],
    client: number,
    first: number,
    acknowledged: (number: number) => Promise<void>,
  ) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, [...args, '--unbuffered', '--skip-reconnect'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    this.#child.stderr.on('data', (part: Buffer) => (said += part.toString()));
    // Whoever has ended says so below.
    this.#child.stdin.on('error', () => undefined);
    this.ended = this.#commit(client, first, acknowledged).then(() => said.trim());
  }

  async #commit(client: number, first: number, acknowledged: (number: number) => Promise<void>): Promise<void> {
    let number = first;
    this.#child.stdin.write(transaction(client, number));
    for await (const line of createInterface({ input: this.#child.stdout })) {
      if (line !== `ack\t${number}`) continue;
      await acknowledged(number);
      number += 1;
      this.#child.stdin.write(transaction(client, number));
    }
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}
