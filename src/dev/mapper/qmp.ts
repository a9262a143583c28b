/** One session with a QEMU monitor over its unix socket: commands with an answer, events, all of it by a deadline. */
import { createConnection, type Socket } from 'node:net';
import { withinDeadline } from '../../model/time-limit.js';
import type { Deadline } from '../../model/deadline.js';

/** What QEMU answered instead of a result, or that it went away. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Events are kept so that one that overtakes its command's answer is still found; more than this nobody asks for. */
const EVENTS_KEPT = 256;

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export class QmpSession {
  /** ms, of the clock that never goes back. */
  readonly begunAt = performance.now();
  readonly #socket: Socket;
  readonly #answers = new Map<number, Waiting>();
  readonly #events: QmpEvent[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #greeting: Promise<unknown>;
  #greeted: Waiting | undefined;
  #received = '';
  #nextId = 1;
  #ended: QmpError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#greeting = new Promise((resolve, reject) => (this.#greeted = { resolve, reject }));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the connection was closed'));
  }

  /**
   * Connect and shake hands. QEMU serves one client at a time, so this also waits until the client before has gone:
   * whoever has a session has the daemon alone. Throws the socket's own error (ECONNREFUSED, ENOENT) where nobody
   * listens; DEADLINE.
   */
  static async connect(path: string, deadline: Deadline): Promise<QmpSession> {
    const socket = createConnection(path);
    try {
      await withinDeadline(connected(socket), `connecting to ${path}`, deadline);
      const session = new QmpSession(socket);
      await withinDeadline(session.#greeting, 'the greeting of the storage daemon', deadline);
      await session.execute('qmp_capabilities', {}, deadline);
      return session;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /**
   * The command's return value. QmpError with QEMU's description; after DEADLINE the session is closed, for its state
   * is unknown.
   */
  async execute(command: string, args: Readonly<Record<string, unknown>>, deadline: Deadline): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    this.#socket.write(JSON.stringify({ execute: command, arguments: args, id }));
    return this.#orClose(withinDeadline(answer, `the storage daemon's ${command}`, deadline));
  }

  /** Wait for an event, also one that came before; it is used up then. DEADLINE closes the session. */
  async event(
    name: string,
    matches: (data: Readonly<Record<string, unknown>>) => boolean,
    deadline: Deadline,
  ): Promise<void> {
    const arrived = new Promise<void>((resolve, reject) => {
      const check = (): void => {
        const at = this.#events.findIndex((event) => event.name === name && matches(event.data));
        if (at < 0 && this.#ended === undefined) return;
        this.#listeners.delete(check);
        this.#events.splice(at, at < 0 ? 0 : 1);
        if (at < 0) reject(this.#ended ?? new QmpError('the session has ended'));
        else resolve();
      };
      this.#listeners.add(check);
      check();
    });
    await this.#orClose(withinDeadline(arrived, `the storage daemon's ${name}`, deadline));
  }

  /** Did the daemon go away, or was it closed? */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** It keeps no process alive until its next use. */
  rest(): void {
    this.#socket.unref();
  }

  /** What came while nobody waited for anything is forgotten. */
  wake(): void {
    this.#events.length = 0;
    this.#socket.ref();
  }

  close(): void {
    this.#socket.destroy();
    this.#end('the session was closed');
  }

  async #orClose<T>(outcome: Promise<T>): Promise<T> {
    try {
      return await outcome;
    } catch (error) {
      if (!(error instanceof QmpError)) this.close();
      throw error;
    }
  }

  #receive(text: string): void {
    const lines = (this.#received + text).split('\n');
    this.#received = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') this.#dispatch(line);
    }
  }

  #dispatch(line: string): void {
    const message = parse(line);
    const id = Number(message?.['id']);
    if (message === undefined) this.close();
    else if ('QMP' in message) this.#greeted?.resolve(message);
    else if (typeof message['event'] === 'string') this.#note(message['event'], message['data']);
    else if ('error' in message) this.#take(id)?.reject(new QmpError(description(message['error'])));
    else this.#take(id)?.resolve(message['return']);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#answers.get(id);
    this.#answers.delete(id);
    return waiting;
  }

  #note(name: string, data: unknown): void {
    this.#events.push({ name, data: isRecord(data) ? data : {} });
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    for (const check of [...this.#listeners]) check();
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = new QmpError(why);
    this.#greeted?.reject(this.#ended);
    for (const { reject } of this.#answers.values()) reject(this.#ended);
    this.#answers.clear();
    for (const check of [...this.#listeners]) check();
  }
}

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });

/** Undefined for what is no JSON object: whatever listens there, it is no QEMU. */
function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return isRecord(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function description(error: unknown): string {
  const text = isRecord(error) ? error['desc'] : undefined;
  return typeof text === 'string' ? text : 'no description';
}
