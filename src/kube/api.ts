/**
 * The verbs of the Kubernetes API with its refusals as errors of the catalogue:
 * get, list in pages, watch, create, patch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deadline } from '../model/deadline.js';
import { berthError, isBerthError } from '../model/errors.js';
import { pathOf, resourceName, type KubeObject, type Resource } from './objects.js';
import type { HttpWire, Answer, HttpCall } from './http.js';

/**
 * Objects a page: few rounds for a server under load, and some 10 ms for us to parse (a PersistentVolume with its
 * managed fields has 4 KB as JSON), while which nothing else runs.
 */
const PAGE = 250;
/** A reading that met a restarting server is repeated while its deadline lasts: pauses in ms. */
const PAUSES_MS = [100, 300, 900, 2_000, 4_000];

/** What of an object is remembered; undefined for one that is of no interest. */
export type Keep<T> = (raw: KubeObject) => T | undefined;

export interface Listed<T> {
  readonly items: readonly T[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

/** A page of a list. */
export interface Page {
  readonly items: readonly KubeObject[];
  /** The same for all pages of a list: the moment that it shows. */
  readonly resourceVersion: string;
}

/** Of which objects a list is; of all of them without. */
export interface Scope {
  readonly namespace?: string;
  /** As the API reads it: `spec.nodeName=worker-1,status.phase=Running`. */
  readonly fieldSelector?: string;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

export interface WatchOptions {
  readonly resourceVersion: string;
  /** After which the server ends the watch, in s. */
  readonly timeoutSeconds: number;
  /** Without any line in this time the connection is taken for dead, in ms. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly onOpen?: () => void;
}

/** The server has forgotten what a watch or a page wants to go on from. */
export class Expired extends Error {}

interface Status {
  readonly kind?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
}

/**
 * Every call ends by its deadline and fails with BERTH_KUBE_UNREACHABLE, DEADLINE, BERTH_KUBE_UNAUTHENTICATED,
 * BERTH_KUBE_DENIED, BERTH_KUBE_CONFLICT or BERTH_KUBE_ERROR. Readings are repeated while a server is not there or too
 * busy; changes never are.
 */
export class KubeApi {
  readonly #wire: HttpWire;

  constructor(wire: HttpWire) {
    this.#wire = wire;
  }

  get server(): string {
    return this.#wire.access.server.host;
  }

  /**
   * Undefined only where the API server itself says that there is no such object.
   * Reads what is stored, not a cache of it.
   */
  async get<T extends KubeObject>(
    resource: Resource,
    name: string,
    deadline: Deadline,
    namespace?: string,
  ): Promise<T | undefined> {
    const answer = await this.#read({ method: 'GET', path: pathOf(resource, name, namespace) }, deadline);
    // A proxy's or a missing API group's 404 is no word about the object.
    if (answer.status === 404 && statusOf(answer).reason === 'NotFound') return undefined;
    return this.#object(answer, 'get', resource) as T;
  }

  /**
   * What `keep` keeps of all of them, as of one moment. Only a page at a time is in memory beside that. A list that
   * grew too old on the way is begun anew, once.
   */
  async list<T>(resource: Resource, keep: Keep<T>, deadline: Deadline, scope: Scope = {}): Promise<Listed<T>> {
    const collect = async (): Promise<Listed<T>> => {
      const items: T[] = [];
      let version = '';
      for await (const page of this.pages(resource, () => deadline, scope)) {
        version = page.resourceVersion;
        for (const raw of page.items) {
          const kept = keep(raw);
          if (kept !== undefined) items.push(kept);
        }
      }
      return { items, resourceVersion: version };
    };
    try {
      return await collect();
    } catch (error) {
      if (!(error instanceof Expired)) throw error;
      return collect().catch((again: unknown) => {
        throw again instanceof Expired ? apiError('list', resource, again.message) : again;
      });
    }
  }

  /**
   * All of them, page by page, as of one moment. {@link Expired} where that moment grew too old on the way;
   * BERTH_KUBE_UNSERVED where the server knows no such kind.
   * @param deadlineOf of the next page
   */
  async *pages(
    resource: Resource,
    deadlineOf: () => Deadline,
    { namespace, fieldSelector }: Scope = {},
  ): AsyncGenerator<Page, void, undefined> {
    let from = '';
    do {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (fieldSelector !== undefined) query.set('fieldSelector', fieldSelector);
      if (from !== '') query.set('continue', from);
      const path = `${pathOf(resource, undefined, namespace)}?${query.toString()}`;
      const answer = await this.#read({ method: 'GET', path }, deadlineOf());
      if (answer.status === 410) throw new Expired(statusOf(answer).message);
      if (answer.status === 404)
        throw berthError('BERTH_KUBE_UNSERVED', { resource: resourceName(resource), version: resource.version });
      if (answer.status !== 200) throw this.#refusal(answer, 'list', resource);
      const { metadata, items } = answer.body as Partial<PageBody>;
      // A page cut short by somebody in between must not read as "there are no more".
      if (!Array.isArray(items) || typeof metadata?.resourceVersion !== 'string') {
        throw apiError('list', resource, 'the answer is no list');
      }
      yield { items, resourceVersion: metadata.resourceVersion };
      from = metadata.continue ?? '';
    } while (from !== '');
  }

  /**
   * Each change after `resourceVersion`, until the server ends the watch. {@link Expired} where that is too long ago.
   */
  async watch(resource: Resource, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void> {
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    const wrong: Error[] = [];
    const onLine = (line: string): boolean => {
      const event = eventOf(line);
      if (event === undefined) wrong.push(apiError('watch', resource, 'a line that is no event'));
      else if (event.type === 'ERROR') wrong.push(watchEndError(event.object as Status, resource));
      else onEvent(event);
      return wrong.length === 0;
    };
    const path = `${pathOf(resource)}?${query.toString()}`;
    const refused = await this.#wire.lines(path, onLine, options);
    if (refused?.status === 410) throw new Expired(statusOf(refused).message);
    if (refused !== undefined) throw this.#refusal(refused, 'watch', resource);
    const [first] = wrong;
    if (first !== undefined) throw first;
  }

  /**
   * True where it was made, false where one of its name exists.
   * Never repeated: nobody knows whether the first one arrived.
   */
  async create(resource: Resource, body: KubeDraft, deadline: Deadline): Promise<boolean> {
    const path = pathOf(resource, undefined, body.metadata.namespace);
    const answer = await this.#wire.call({ method: 'POST', path, body }, deadline);
    if (answer.status === 409 && statusOf(answer).reason === 'AlreadyExists') return false;
    if (answer.status >= 200 && answer.status < 300) return true;
    throw this.#refusal(answer, 'create', resource);
  }

  /**
   * Merge `body` into an object; BERTH_KUBE_CONFLICT where it carries a metadata.resourceVersion that is not the
   * present one. Undefined where there is no such object.
   */
  async patch<T extends KubeObject>(
    resource: Resource,
    name: string,
    body: unknown,
    deadline: Deadline,
    namespace?: string,
  ): Promise<T | undefined> {
    const path = pathOf(resource, name, namespace);
    const answer = await this.#wire.call(
      { method: 'PATCH', path, body, type: 'application/merge-patch+json' },
      deadline,
    );
    if (answer.status === 404 && statusOf(answer).reason === 'NotFound') return undefined;
    return this.#object(answer, 'patch', resource) as T;
  }

  /** The answer to a body that is a question (a review): nothing is made of it. */
  async ask(resource: Resource, body: unknown, deadline: Deadline): Promise<unknown> {
    const answer = await this.#wire.call({ method: 'POST', path: pathOf(resource), body }, deadline);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw this.#refusal(answer, 'create', resource);
  }

  /** A GET of what is no resource: what a server says of itself. Every status is an answer. */
  readonly about = (path: string, deadline: Deadline): Promise<Answer> => this.#read({ method: 'GET', path }, deadline);

  close(): void {
    this.#wire.close();
  }

  async #read(call: HttpCall, deadline: Deadline): Promise<Answer> {
    let before: Error | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const last = attempt >= PAUSES_MS.length;
      let pause = PAUSES_MS[attempt] ?? 0;
      try {
        const answer = await this.#wire.call(call, deadline);
        const isBusy = answer.status === 429 || answer.status >= 500;
        pause = answer.retryAfterMs ?? pause;
        if (!isBusy || last || pause >= deadline.remaining()) return answer;
      } catch (error) {
        // That time was over says less than why it was needed.
        if (isBerthError(error, 'BERTH_DEADLINE') && before !== undefined) throw before;
        if (!isBerthError(error, 'BERTH_KUBE_UNREACHABLE') || last || pause >= deadline.remaining()) throw error;
        before = error;
      }
      await sleep(pause);
    }
  }

  #object(answer: Answer, verb: string, resource: Resource): KubeObject {
    if (answer.status < 200 || answer.status >= 300) throw this.#refusal(answer, verb, resource);
    const { metadata } = (answer.body ?? {}) as Partial<KubeObject>;
    if (typeof metadata?.uid !== 'string') throw apiError(verb, resource, 'the answer is no object');
    return answer.body as KubeObject;
  }

  #refusal(answer: Answer, verb: string, resource: Resource): Error {
    const { message } = statusOf(answer);
    const why = (message ?? `HTTP ${answer.status}`).slice(0, 400);
    if (answer.status === 401) return berthError('BERTH_KUBE_UNAUTHENTICATED', { why });
    if (answer.status === 403) return berthError('BERTH_KUBE_DENIED', { verb, resource: resourceName(resource), why });
    if (answer.status === 409) return berthError('BERTH_KUBE_CONFLICT', { resource: resourceName(resource), why });
    if (answer.status === 429 || answer.status >= 500)
      return berthError('BERTH_KUBE_UNREACHABLE', { server: this.server, why });
    return apiError(verb, resource, why);
  }
}

interface PageBody {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly KubeObject[];
}

/** What is sent to be made. */
export interface KubeDraft {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

const apiError = (verb: string, resource: Resource, why: string): Error =>
  berthError('BERTH_KUBE_ERROR', { verb, resource: resourceName(resource), why });

function statusOf({ body }: Answer): Status {
  const status = (typeof body === 'object' && body !== null ? body : {}) as Status;
  return status.kind === 'Status' ? status : {};
}

const watchEndError = ({ code, message }: Status, resource: Resource): Error =>
  code === 410 ? new Expired(message) : apiError('watch', resource, message ?? 'the watch ended with an error');

const TYPES: readonly string[] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'];

function eventOf(line: string): WatchEvent | undefined {
  try {
    const event = JSON.parse(line) as Partial<WatchEvent>;
    const isEvent = TYPES.includes(event.type ?? '') && typeof event.object === 'object' && event.object !== null;
    return isEvent ? (event as WatchEvent) : undefined;
  } catch {
    return undefined;
  }
}
