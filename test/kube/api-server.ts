/**
 * A Kubernetes API server's stand-in over real HTTP: lists in pages, watches, expiry, conflicts, finalizers, and every
 * way to be ill.
 */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aboutServer, generatedPage, json, send, status } from './answers.js';
import { generatedNamed, type Generated } from './generated.js';
import { bodyOf, isSelected, merged, placeOf, reviewedRight, verbOf, type Call, type Place } from './request.js';

export interface Thing {
  metadata: {
    name: string;
    uid: string;
    namespace?: string;
    resourceVersion: string;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    finalizers?: string[];
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    managedFields?: readonly unknown[];
  };
  [key: string]: unknown;
}

export type Draft = Record<string, unknown> & {
  metadata: Partial<Thing['metadata']> & { readonly name: string };
};

interface Change {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Thing;
}

interface Stream {
  readonly collection: string;
  readonly response: http.ServerResponse;
}

export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly authorization: string | undefined;
}

const NAMESPACES = '/api/v1/namespaces';

export class ApiServer {
  readonly asked: Asked[] = [];
  /** Collections of which lists show these instead of what was put, and gets those of them that were not put. */
  readonly generated = new Map<string, Generated>();
  /** Bearer tokens that are let in; undefined for anybody. */
  tokens: Set<string> | undefined;
  /** May whoever has this token do so? Asked for every call, as a server's authorizer is. */
  mayCall: (token: string, call: Call) => boolean = () => true;
  /** `verb plural`, as RBAC would refuse it; `serve plural` where the cluster has no CRD of it. */
  readonly denied = new Set<string>();
  /** What it says of itself. */
  version = 'v1.34.1';
  /** Groups that it serves beside those that things were put into, as `snapshot.storage.k8s.io/v1`. */
  readonly groups = new Set<string>();
  /** Every answer waits this long, in ms. */
  slowMs = 0;
  /** So many requests are answered with this status. */
  failNext: { status: number; times: number } = { status: 503, times: 0 };
  /** Ends each watch after so many events, in the middle of a line, by closing the connection. */
  tearAfter: number | undefined;
  /** Of the newest change; a watch from here misses nothing. */
  readonly resourceVersion = (): string => String(this.#version);
  #server: http.Server | undefined;
  #port = 0;
  #version = 100;
  #compacted = 0;
  readonly #store = new Map<string, Map<string, Thing>>();
  #history: Change[] = [];
  readonly #streams = new Set<Stream>();
  readonly #tls: https.ServerOptions | undefined;

  constructor(tls?: https.ServerOptions) {
    this.#tls = tls;
    // As every cluster has it, and with it an identity.
    this.put(NAMESPACES, { metadata: { name: 'kube-system' } });
  }

  get url(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  get openWatches(): number {
    return this.#streams.size;
  }

  async start(): Promise<void> {
    const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      void this.#answer(request, response).catch(() => response.destroy());
    };
    const server = this.#tls === undefined ? http.createServer(answer) : https.createServer(this.#tls, answer);
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As a killed server: every connection breaks; {@link start} listens at the same port again. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    this.#streams.clear();
    await closed;
  }

  /**
   * Make or replace an object, and tell the watches. `collection` as `/api/v1/nodes` or `/api/v1/namespaces/a/pods`.
   */
  put(collection: string, draft: Draft): Thing {
    const { name } = draft.metadata;
    const all = this.#all(collection);
    const before = all.get(name);
    const thing: Thing = {
      ...structuredClone(draft),
      metadata: {
        uid: before?.metadata.uid ?? `uid-of-${name}`,
        creationTimestamp: new Date(Date.now() - 3_600_000).toISOString(),
        ...structuredClone(draft.metadata),
        resourceVersion: String((this.#version += 1)),
      },
    };
    all.set(name, thing);
    this.#tell({
      version: this.#version,
      collection,
      type: before === undefined ? 'ADDED' : 'MODIFIED',
      object: thing,
    });
    return thing;
  }

  find(collection: string, name: string): Thing | undefined {
    return this.#all(collection).get(name);
  }

  all(collection: string): Thing[] {
    return [...this.#all(collection).values()];
  }

  /** As a client's DELETE: an object with finalizers stays and is marked. */
  remove(collection: string, name: string, deletionTimestamp = new Date().toISOString()): void {
    const thing = this.#all(collection).get(name);
    if (thing === undefined) return;
    if ((thing.metadata.finalizers ?? []).length > 0) {
      this.put(collection, { ...thing, metadata: { ...thing.metadata, deletionTimestamp } });
      return;
    }
    this.#all(collection).delete(name);
    const object = { ...thing, metadata: { ...thing.metadata, resourceVersion: String((this.#version += 1)) } };
    this.#tell({ version: this.#version, collection, type: 'DELETED', object });
  }

  /** Change behind the watches' backs: only a list shows it. */
  putUnseen(collection: string, draft: Draft): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    this.put(collection, draft);
    this.#history.pop();
    for (const one of streams) this.#streams.add(one);
  }

  /** Forget all history, as etcd's compaction does: what wants to go on from before is answered 410. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#version;
  }

  bookmark(): void {
    for (const { response, collection } of this.#streams) {
      const object = { kind: 'Bookmark', metadata: { name: '', uid: '', resourceVersion: String(this.#version) } };
      if (collection !== '') response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    }
  }

  /** The version moves on although nothing that anybody watches has changed. */
  pass(versions: number): void {
    this.#version += versions;
  }

  /** Break every watch in the middle of a line. */
  tear(): void {
    for (const { response } of this.#streams) {
      response.write('{"type":"ADD');
      response.destroy();
    }
    this.#streams.clear();
  }

  /** End every watch as a server does whose history has gone: an event, then the end. */
  expireWatches(): void {
    const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
    for (const { response } of this.#streams) response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
    this.#streams.clear();
  }

  #all(collection: string): Map<string, Thing> {
    const all = this.#store.get(collection) ?? new Map<string, Thing>();
    this.#store.set(collection, all);
    return all;
  }

  #tell(change: Change): void {
    this.#history.push(change);
    let sent = 0;
    for (const stream of this.#streams) {
      if (stream.collection !== change.collection) continue;
      send(stream.response, change);
      sent += 1;
    }
    if (this.tearAfter !== undefined && sent > 0 && (this.tearAfter -= 1) <= 0) {
      this.tearAfter = undefined;
      this.tear();
    }
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    this.asked.push({ method, url, authorization: request.headers.authorization });
    const body = await bodyOf(request);
    if (this.slowMs > 0) await sleep(this.slowMs);
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const about = aboutServer(url, this);
    if (this.tokens?.has(token) === false) status(response, 401, 'Unauthorized');
    else if (this.failNext.times > 0) {
      this.failNext.times -= 1;
      status(response, this.failNext.status, 'the server is currently unable to handle the request');
    } else if (about !== undefined) json(response, 200, about);
    else this.#serve({ method, token }, new URL(url, 'http://x'), body, response);
  }

  #serve(
    { method, token }: { readonly method: string; readonly token: string },
    { pathname, searchParams }: URL,
    body: string,
    response: http.ServerResponse,
  ): void {
    const place = placeOf(pathname);
    if (place === undefined || this.denied.has(`serve ${place.plural}`)) {
      response.writeHead(404).end('404 page not found\n');
      return;
    }
    const { plural, collection } = place;
    const verb = verbOf(method, place, searchParams);
    const thing = this.#named(verb, collection, place.name ?? '');
    const isAllowed = this.mayCall(token, { verb, group: place.group, plural, name: place.name });
    if (!isAllowed || this.denied.has(`${verb} ${plural}`)) {
      status(response, 403, `${plural} is forbidden: User "berth" cannot ${verb} resource "${plural}"`);
    } else if (verb === 'watch') this.#watch(collection, searchParams, response);
    else if (verb === 'list') this.#list(collection, searchParams, response);
    else if (plural === 'selfsubjectaccessreviews') {
      json(response, 201, {
        kind: 'SelfSubjectAccessReview',
        status: { allowed: !this.denied.has(reviewedRight(body)) },
      });
    } else if (verb === 'create') this.#create(place, JSON.parse(body) as Draft, response);
    else if (thing === undefined) status(response, 404, `${plural} "${place.name ?? ''}" not found`);
    else if (verb === 'get') json(response, 200, thing);
    else if (verb === 'delete') {
      this.remove(collection, thing.metadata.name);
      json(response, 200, thing);
    } else this.#patch(place, thing, JSON.parse(body) as Record<string, unknown>, response);
  }

  /** Of what is generated only a get knows: nothing there can be changed. */
  #named(verb: string, collection: string, name: string): Thing | undefined {
    const put = this.#all(collection).get(name);
    const generated = verb === 'get' ? this.generated.get(collection) : undefined;
    return put ?? (generated && generatedNamed(generated, name));
  }

  /** A collection, or that of all namespaces together. */
  #across(collection: string): Map<string, Thing> {
    const [root, plural] = [path.dirname(collection), path.basename(collection)];
    const within = [...this.#store].filter(
      ([key]) => key.startsWith(`${root}/namespaces/`) && key.endsWith(`/${plural}`),
    );
    const others = within.filter(([key]) => key !== collection);
    return new Map([...this.#all(collection), ...others.flatMap(([, things]) => [...things])]);
  }

  #list(collection: string, query: URLSearchParams, response: http.ServerResponse): void {
    const limit = Number(query.get('limit') ?? '0') || Number.POSITIVE_INFINITY;
    const [version = String(this.#version), after = ''] = (query.get('continue') ?? '').split('|').filter((one) => one);
    if (Number(version) < this.#compacted) {
      status(response, 410, 'The provided continue parameter is too old');
      return;
    }
    const generated = this.generated.get(collection);
    if (generated !== undefined) {
      json(response, 200, generatedPage(generated, { version, begin: Number(after), limit }));
      return;
    }
    const all = this.#across(collection);
    const selector = query.get('fieldSelector') ?? '';
    const names = [...all.keys()].toSorted().filter((name) => name > after && isSelected(all.get(name), selector));
    const page = names.slice(0, limit);
    const more = names.length > page.length ? { continue: `${version}|${page.at(-1) ?? ''}` } : {};
    const items = page.map((name) => all.get(name));
    json(response, 200, { kind: 'List', metadata: { resourceVersion: version, ...more }, items });
  }

  #watch(collection: string, query: URLSearchParams, response: http.ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? '0');
    if (from < this.#compacted) {
      status(response, 410, 'too old resource version');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of this.#history) {
      if (change.collection === collection && change.version > from) send(response, change);
    }
    const stream = { collection, response };
    this.#streams.add(stream);
    const timer = setTimeout(() => response.end(), Number(query.get('timeoutSeconds') ?? '300') * 1000);
    response.once('close', () => {
      clearTimeout(timer);
      this.#streams.delete(stream);
    });
  }

  #create({ collection, plural }: Place, draft: Draft, response: http.ServerResponse): void {
    if (this.#all(collection).has(draft.metadata.name)) {
      status(response, 409, `${plural} "${draft.metadata.name}" already exists`, 'AlreadyExists');
      return;
    }
    json(response, 201, this.put(collection, draft));
  }

  #patch(place: Place, thing: Thing, patch: Record<string, unknown>, response: http.ServerResponse): void {
    const wanted = (patch['metadata'] as Partial<Thing['metadata']> | undefined)?.resourceVersion;
    if (wanted !== undefined && wanted !== thing.metadata.resourceVersion) {
      status(response, 409, 'the object has been modified; please apply your changes to the latest version');
      return;
    }
    const next = merged(thing, patch) as Thing;
    const { deletionTimestamp, finalizers = [] } = next.metadata;
    const put = this.put(place.collection, next);
    if (deletionTimestamp !== undefined && finalizers.length === 0) this.remove(place.collection, thing.metadata.name);
    json(response, 200, put);
  }
}
