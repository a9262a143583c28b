/**
 * What the API stand-in lacks for a real kubectl, before it: discovery, tables, strict admission by the published
 * schemas, strategic patches, a namespace's end. All else, drivers' watches with it, goes on to the stand-in.
 */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { mergePatch } from '../../../../src/manifests/kustomize/merge-patch.js';
import type { Branch, KubeObject, Tree } from '../../../../src/manifests/kube-object.js';
import { json, status } from '../../../kube/answers.js';
import type { ApiServer, Thing } from '../../../kube/api-server.js';
import { bytesOf, isSelected, merged, placeOf, type Place } from '../../../kube/request.js';
import { publishedFor } from '../../../schemas/published-schemas.js';
import { podOf } from './pod-message.js';
import { collectionOf, discovered, RESOURCES, resourceAt, type Resource } from './resources.js';
import { tableOf } from './tables.js';

const RELEASE = '1.34';
const VERSION = { major: '1', minor: '34', gitVersion: `v${RELEASE}.1` };

interface Reply {
  readonly code: number;
  readonly object: object;
}

const found = (object: object): Reply => ({ code: 200, object });
const failed = (code: number, reason: string, message: string): Reply => ({
  code,
  object: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details: {} },
});
const missing = ({ plural, name = '' }: Place): Reply => failed(404, 'NotFound', `${plural} "${name}" not found`);

interface Asked {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly place: Place;
  readonly resource: Resource;
  readonly headers: http.IncomingHttpHeaders;
}

/** Who is told of each object that was made, changed or removed, as controllers are by their watches. */
export type Reconcile = (resource: Resource, thing: Thing, isGone: boolean) => void;

export class ApiFront {
  readonly #behind: ApiServer;
  readonly #server: https.Server;
  readonly #faults = publishedFor(RELEASE);
  readonly #agent = new http.Agent({ keepAlive: true });
  /** Namespaces that are to go: their end is waited for. */
  readonly #ending = new Set<string>();
  reconcile: Reconcile = () => undefined;

  constructor(behind: ApiServer, tls: https.ServerOptions) {
    this.#behind = behind;
    this.#server = https.createServer(tls, (request, response) => {
      void this.#answer(request, response).catch((error: unknown) => status(response, 500, String(error)));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  resourceOf(thing: Thing): Resource {
    return RESOURCES.find(({ kind, version }) => kind === thing['kind'] && version === thing['apiVersion'])!;
  }

  /** Everything that is there, by `Kind namespace/name`, but what the cluster itself has. */
  get objects(): ReadonlyMap<string, Thing> {
    const all = RESOURCES.flatMap((resource) =>
      (resource.isNamespaced ? this.#namespaces() : ['']).flatMap((namespace) =>
        this.#behind
          .all(collectionOf(resource, namespace))
          .map((one) => [`${resource.kind} ${namespace}/${one.metadata.name}`, one] as const),
      ),
    );
    return new Map(all);
  }

  #namespaces(): readonly string[] {
    return ['default', ...this.#behind.all('/api/v1/namespaces').map(({ metadata }) => metadata.name)];
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const { pathname, searchParams: query } = new URL(url, 'http://x');
    const about = pathname === '/version' ? VERSION : discovered(pathname);
    const place = placeOf(pathname);
    const resource = place && resourceAt(place.group, place.plural);
    const isWatch = query.get('watch') !== null && query.get('watch') !== 'false';
    if (about !== undefined) json(response, 200, about);
    else if (place === undefined || resource === undefined || isWatch) this.#pass(request, response);
    else {
      const body = await bytesOf(request);
      const { code, object } = this.#reply({ method, query, place, resource, headers }, body);
      json(response, code, object);
    }
  }

  #reply(asked: Asked, body: Buffer): Reply {
    if (asked.method === 'GET') return this.#get(asked);
    if (asked.method === 'DELETE') return this.#delete(asked);
    const object = podOf(body) ?? (JSON.parse(body.toString('utf8')) as KubeObject);
    return asked.method === 'POST' ? this.#create(asked, object) : this.#patch(asked, object);
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method, url, headers } = request;
    const on = http.request(`${this.#behind.url}${url ?? ''}`, { method, headers, agent: this.#agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    on.on('error', () => response.destroy());
    response.on('close', () => on.destroy());
    request.pipe(on);
  }

  #get({ query, place, resource, headers }: Asked): Reply {
    this.#end();
    const { version: apiVersion, kind } = resource;
    const table = headers.accept?.includes('as=Table') === true ? tableOf : () => undefined;
    if (place.name !== undefined) {
      const thing = this.#behind.find(place.collection, place.name);
      return thing === undefined ? missing(place) : found(table(place.plural, [thing]) ?? thing);
    }
    const items = this.#listed(place).filter((one) => isChosen(one, query));
    const list = {
      apiVersion,
      kind: `${kind}List`,
      metadata: { resourceVersion: this.#behind.resourceVersion() },
      items,
    };
    return found(table(place.plural, items) ?? list);
  }

  #listed({ collection, plural }: Place): readonly Thing[] {
    const [root = ''] = collection.split(`/${plural}`);
    if (root.includes('/namespaces/') || plural === 'namespaces') return this.#behind.all(collection);
    const within = this.#namespaces().flatMap((one) => this.#behind.all(`${root}/namespaces/${one}/${plural}`));
    return [...this.#behind.all(collection), ...within];
  }

  #create({ query, place, resource }: Asked, given: KubeObject): Reply {
    const object = withoutServers(given);
    const { name } = object.metadata;
    const faults = query.get('fieldValidation') === 'Strict' ? this.#faults(object) : [];
    if (faults.length > 0) return failed(400, 'BadRequest', `strict decoding error: ${faults.join(', ')}`);
    if (this.#behind.find(place.collection, name) !== undefined)
      return failed(409, 'AlreadyExists', `${place.plural} "${name}" already exists`);
    return this.#put(place, resource, object);
  }

  #patch({ place, resource, headers }: Asked, patch: Branch): Reply {
    const before = this.#behind.find(place.collection, place.name ?? '') as unknown as Branch | undefined;
    if (before === undefined) return missing(place);
    const isStrategic = headers['content-type']?.includes('strategic') === true;
    const next = isStrategic ? mergePatch(before, undirected(patch)) : merged(before, patch);
    return this.#put(place, resource, next as KubeObject);
  }

  #put({ collection }: Place, resource: Resource, object: KubeObject): Reply {
    const thing = this.#behind.put(collection, stored(object));
    this.reconcile(resource, thing, false);
    return found(thing);
  }

  #delete({ place, resource }: Asked): Reply {
    const thing = this.#behind.find(place.collection, place.name ?? '');
    if (thing === undefined) return missing(place);
    if (resource.kind === 'Namespace') this.#ending.add(thing.metadata.name);
    else {
      this.#behind.remove(place.collection, thing.metadata.name);
      this.reconcile(resource, thing, true);
    }
    return found(thing);
  }

  /** A namespace ends with all that is in it, once somebody asks whether it has. */
  #end(): void {
    for (const name of this.#ending) {
      this.#ending.delete(name);
      for (const resource of RESOURCES.filter(({ isNamespaced }) => isNamespaced)) {
        const collection = collectionOf(resource, name);
        for (const one of this.#behind.all(collection)) {
          this.#behind.remove(collection, one.metadata.name);
          this.reconcile(resource, one, true);
        }
      }
      this.#behind.remove('/api/v1/namespaces', name);
    }
  }
}

/** By field and label selectors, of which only equality is understood. */
function isChosen(thing: Thing, query: URLSearchParams): boolean {
  const labels = (query.get('labelSelector') ?? '').split(',').filter((one) => one !== '');
  const isLabelled = labels.every((one) => {
    const [name = '', value] = one.split('=');
    return thing.metadata.labels?.[name] === value;
  });
  return isLabelled && isSelected(thing, query.get('fieldSelector') ?? '');
}

/** Clients send them empty; a server passes over them. */
function withoutServers(object: KubeObject): KubeObject {
  const fields = Object.entries(object).filter(([name]) => name !== 'status');
  const metadata = Object.entries(object.metadata).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(fields), metadata: Object.fromEntries(metadata) } as unknown as KubeObject;
}

/** As a server keeps a Secret. */
function stored(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object;
  if (object.kind !== 'Secret' || stringData === undefined) return object;
  const texts = Object.entries(stringData as Readonly<Record<string, string>>);
  const data = Object.fromEntries(texts.map(([name, text]) => [name, Buffer.from(text).toString('base64')]));
  return { ...rest, data: { ...(rest['data'] as Branch | undefined), ...data } };
}

/** Without the words that keep the order of lists. */
function undirected(patch: Branch): Branch {
  const kept = Object.entries(patch).filter(([name]) => !/^\$(setElementOrder|retainKeys)/.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutDirections(value)]));
}

function withoutDirections(tree: Tree): Tree {
  if (Array.isArray(tree)) return (tree as readonly Tree[]).map(withoutDirections);
  return typeof tree === 'object' && tree !== null ? undirected(tree as Branch) : tree;
}
