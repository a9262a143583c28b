/**
 * The Ceph clients by which this driver itself opens images for writing (snapshots, going back to one), written down so
 * that its next life knows them. Ceph takes a client that was killed for a living one for some 30 s.
 */
import { open, readFile, rename } from 'node:fs/promises';
import type { Deadline } from '../model/deadline.js';
import { parseJson } from '../model/parse-json.js';
import type { Logger } from '../observe/log.js';
import type { ClusterAccess, RbdPort, Watcher } from './port.js';

/** For how long a dead client is shut out, in s: longer than anything of it can be on its way. */
const SHUT_OUT_S = 3_600;
/** How many are kept, the last ones: each life of the driver has a few. */
const MOST = 50;

export interface FormerClientsParts {
  /** What another boot left is gone. */
  readonly bootId: string;
  /** In the state directory. */
  readonly file: string;
  readonly rbd: Pick<RbdPort, 'identify' | 'blocklist'>;
  readonly log: Pick<Logger, 'warn'>;
}

export class FormerClients {
  readonly #parts: FormerClientsParts;
  readonly #own = new Set<string>();
  #former: Promise<Set<string>> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: FormerClientsParts) {
    this.#parts = parts;
  }

  /**
   * To be called before images are opened for writing with this access. A state directory that cannot be written only
   * means that the next life waits for Ceph; errors of the cluster.
   */
  async note(access: ClusterAccess, deadline: Deadline): Promise<void> {
    const { rbd, log, file } = this.#parts;
    const { instance } = await rbd.identify(access, deadline);
    if (this.#own.has(instance)) return;
    this.#own.add(instance);
    const former = await this.#formerClients();
    const write = async (): Promise<void> => this.#write([...former, ...this.#own].slice(-MOST));
    this.#writing = this.#writing
      .then(write)
      .catch((error: unknown) =>
        log.warn({ file, err: error }, 'by which Ceph client it works cannot be written down'),
      );
    await this.#writing;
  }

  /**
   * Those of the watchers that are clients of this driver's earlier lives are put on the blocklist, by which Ceph
   * forgets their watches and locks at once, and nothing of them comes true any more. Never fails: where the user may
   * not do that, Ceph forgets them by itself.
   */
  async shutOut(access: ClusterAccess, watchers: readonly Watcher[], deadline: Deadline): Promise<void> {
    const { rbd, log } = this.#parts;
    const former = await this.#formerClients();
    for (const { address } of watchers.filter((one) => former.has(one.address) && !this.#own.has(one.address))) {
      try {
        await rbd.blocklist(access, address, SHUT_OUT_S, deadline);
        former.delete(address);
        log.warn({ client: address }, 'a client of an earlier life of this driver is shut out of the cluster');
      } catch (error) {
        log.warn({ client: address, err: error }, 'a client of an earlier life of this driver cannot be shut out');
      }
    }
  }

  /** Of this boot: those of the one before ended with it, some time ago. */
  #formerClients(): Promise<Set<string>> {
    this.#former ??= readFile(this.#parts.file, 'utf8').then(
      (text) => new Set(clientsIn(text, this.#parts.bootId)),
      () => new Set(),
    );
    return this.#former;
  }

  async #write(clients: readonly string[]): Promise<void> {
    const { file, bootId } = this.#parts;
    const draft = `${file}.tmp`;
    const handle = await open(draft, 'w', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify({ version: 1, bootId, clients })}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  }
}

/** What cannot be read says nothing. */
function clientsIn(text: string, bootId: string): readonly string[] {
  const value = parseJson(text) as { bootId?: unknown; clients?: unknown } | null | undefined;
  if (value?.bootId !== bootId || !Array.isArray(value.clients)) return [];
  return value.clients.filter((one): one is string => typeof one === 'string');
}
