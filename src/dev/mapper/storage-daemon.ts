/** The qemu-storage-daemon of one state directory: started on first need, outliving us, found again, told to end. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { pollUntil } from '../../model/time-limit.js';
import { isErrno } from '../../host/errno.js';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { readAttribute, readWaitingAttribute } from '../../host/device/kernel-attribute.js';
import { QmpError, QmpSession } from './qmp.js';

/** sizeof(sun_path) less the final NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
/** What flock answers where somebody else has the lock: EX_TEMPFAIL, so that it is none of the daemon's own codes. */
const LOCKED = 75;
const PROGRAM = 'qemu-storage-daemon';
const ALREADY_RUNNING = 'the storage daemon runs already but does not answer on its socket';

export interface StorageDaemonOptions {
  readonly exec: Exec;
  /** For the pid file, the lock and (where its path is short enough) socket; made 0700. */
  readonly stateDir: string;
  /** Where the socket goes if the state directory's path is too long for one. */
  readonly runtimeDir: string;
  readonly procRoot: string;
}

export class StorageDaemon {
  readonly socketPath: string;
  readonly #options: StorageDaemonOptions;
  readonly #pidFile: string;

  constructor(options: StorageDaemonOptions) {
    this.#options = options;
    this.socketPath = socketPath(options.stateDir, options.runtimeDir);
    this.#pidFile = path.join(options.stateDir, 'daemon.pid');
  }

  /** The daemon's pid, believed only if that process' command line names our socket: pids are used again. */
  async pid(): Promise<number | undefined> {
    const text = readAttribute(this.#pidFile);
    if (text === undefined || !/^\s*\d+\s*$/.test(text)) return undefined;
    const commandLine = (await readWaitingAttribute(`${this.#options.procRoot}/${Number(text)}/cmdline`)) ?? '';
    const [program = '', ...args] = commandLine.split('\0');
    const isOurs = path.basename(program) === PROGRAM && args.includes(chardev(this.socketPath));
    return isOurs ? Number(text) : undefined;
  }

  /**
   * A session with the running daemon, ours alone while it lasts;
   * undefined where none runs. BERTH_MAPPER_UNAVAILABLE, DEADLINE.
   */
  async connect(deadline: Deadline): Promise<QmpSession | undefined> {
    const session = await this.#tryConnect(deadline);
    if (session instanceof QmpSession) return session;
    const pid = await this.pid();
    if (pid === undefined) return undefined;
    // It writes its pid when it listens already, and may have begun since the first try.
    const again = await this.#tryConnect(deadline);
    if (again instanceof QmpSession) return again;
    if ((await this.pid()) !== pid) return undefined;
    const why = `${ALREADY_RUNNING} ${this.socketPath} (pid ${pid})`;
    throw berthError('BERTH_MAPPER_UNAVAILABLE', { mapper: 'loop', why }, again);
  }

  /** Or why nobody answers there. */
  async #tryConnect(deadline: Deadline): Promise<QmpSession | Error> {
    try {
      return await QmpSession.connect(this.socketPath, deadline);
    } catch (error) {
      // QmpError: it went away in the middle of the greeting.
      if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET') || error instanceof QmpError) return error as Error;
      throw error;
    }
  }

  /** Start the daemon in a session of its own and connect to it; where another process was faster, to that one. */
  async start(deadline: Deadline): Promise<QmpSession> {
    await mkdir(path.dirname(this.socketPath), { recursive: true, mode: 0o700 });
    const { exec } = this.#options;
    // The lock's descriptor is inherited by the daemon and open until it dies: two can never serve one directory.
    const lock = path.join(this.#options.stateDir, 'daemon.lock');
    const args = ['--nonblock', '--conflict-exit-code', String(LOCKED), lock, PROGRAM, ...this.#arguments()];
    // Again where somebody else has the lock and nobody answers: a daemon that ends lets go of it last.
    const started = async (): Promise<QmpSession | undefined> => {
      const { exitCode } = await exec('flock', args, { deadline, okCodes: [0, LOCKED] });
      if (exitCode === 0) await chmod(this.socketPath, 0o600);
      return this.connect(deadline);
    };
    return pollUntil(started, 'the start of the storage daemon', deadline);
  }

  /** Tell the daemon of this session to end, wait until it has, and remove its files. Exports must be gone before. */
  async quit(session: QmpSession, deadline: Deadline): Promise<void> {
    const pid = await this.pid();
    await session.execute('quit', {}, deadline);
    session.close();
    const gone = async () => ((await this.pid()) === undefined ? true : undefined);
    if (pid !== undefined) await pollUntil(gone, `the end of the storage daemon (pid ${pid})`, deadline);
    for (const file of [this.socketPath, this.#pidFile]) await rm(file, { force: true });
  }

  #arguments(): readonly string[] {
    return [
      ...['--chardev', chardev(this.socketPath)],
      ...['--monitor', 'chardev=qmp'],
      ...['--pidfile', this.#pidFile],
      // Forks, calls setsid and lets go of our pipes: no data path may end with the plugin.
      '--daemonize',
    ];
  }
}

/** QEMU's option syntax spells a comma within a value as two. */
const chardev = (socket: string): string => `socket,id=qmp,path=${socket.replaceAll(',', ',,')},server=on,wait=off`;

function socketPath(stateDir: string, runtimeDir: string): string {
  const near = path.join(stateDir, 'qmp.sock');
  if (Buffer.byteLength(near) <= MAX_SOCKET_PATH_BYTES) return near;
  const name = createHash('sha256').update(path.resolve(stateDir)).digest('hex').slice(0, 16);
  return path.join(runtimeDir, `loop-${name}`, 'qmp.sock');
}
