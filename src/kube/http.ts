/**
 * HTTP to the API server over connections that stay open: one answer by a deadline, or lines of a watch until it ends.
 */
import http from 'node:http';
import https from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { Identity, KubeAccess } from './access.js';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** Of the body. */
  readonly type?: string;
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON; a text where it is none. */
  readonly body: unknown;
  readonly retryAfterMs: number | undefined;
}

/** A page of 500 large objects has a few MB. */
const LONGEST_ANSWER = 64 * 2 ** 20;
const LONGEST_LINE = 16 * 2 ** 20;
/** An idle connection that a load balancer dropped is found out by this, in ms. */
const KEEP_ALIVE_MS = 30_000;
const SOCKETS = 8;

export class HttpWire {
  readonly access: KubeAccess;
  #agent: http.Agent | undefined;
  /** What the agent was made with: a new CA or client certificate needs a new one. */
  #agentOf = '';

  constructor(access: KubeAccess) {
    this.access = access;
  }

  /**
   * Every answer of an HTTP server counts, whatever its status. BERTH_KUBE_UNREACHABLE where there is none, DEADLINE
   * where it does not come in time.
   */
  async call(call: HttpCall, deadline: Deadline): Promise<Answer> {
    const ms = Math.ceil(deadline.remaining());
    const late = () =>
      berthError('BERTH_DEADLINE', { what: `${call.method} ${bare(call.path)} at the Kubernetes API`, ms });
    if (ms === 0) throw late();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ms);
    try {
      const first = await this.#once(call, stop.signal);
      // A token that was rotated between our reading and its use: read again, once.
      return first.status === 401 ? await this.#once(call, stop.signal) : first;
    } catch (error) {
      throw stop.signal.aborted ? late() : this.#unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Gives each line of the answer to `onLine` until the server ends it, or `onLine` says false. Ends early with
   * BERTH_KUBE_UNREACHABLE where nothing comes for `silenceMs`, and in silence by `signal`. An answer other than 200 is
   * returned and no line is given.
   * @param onOpen the server has taken the watch
   */
  async lines(
    path: string,
    onLine: (line: string) => boolean,
    {
      signal,
      silenceMs,
      onOpen,
    }: { readonly signal: AbortSignal; readonly silenceMs: number; readonly onOpen?: () => void },
  ): Promise<Answer | undefined> {
    const quiet = new AbortController();
    const timer = setTimeout(() => quiet.abort(), silenceMs);
    try {
      const response = await this.#send({ method: 'GET', path }, AbortSignal.any([signal, quiet.signal]));
      if (response.statusCode !== 200) return await answerOf(response);
      onOpen?.();
      response.on('data', () => timer.refresh());
      await eachLine(response, onLine);
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw this.#unreachable(quiet.signal.aborted ? new Error(`nothing came for ${silenceMs} ms`) : error);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#agent?.destroy();
  }

  async #once(call: HttpCall, signal: AbortSignal): Promise<Answer> {
    return answerOf(await this.#send(call, signal));
  }

  async #send(call: HttpCall, signal: AbortSignal): Promise<http.IncomingMessage> {
    const identity = await this.access.identity();
    const { server } = this.access;
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const headers: Record<string, string | number> = { accept: 'application/json', 'user-agent': 'berth' };
    if (identity.token !== undefined) headers['authorization'] = `Bearer ${identity.token.reveal()}`;
    if (body !== undefined) {
      headers['content-type'] = call.type ?? 'application/json';
      headers['content-length'] = body.length;
    }
    const { method, path } = call;
    const prefix = server.pathname.replace(/\/$/, '');
    const options = { method, path: `${prefix}${path}`, headers, agent: this.#agentFor(identity), signal };
    return new Promise((resolve, reject) => {
      const request = (server.protocol === 'https:' ? https : http).request(server, options, (response) => {
        // Whoever reads hears of it; an error after the last byte must not end the process.
        response.on('error', () => undefined);
        resolve(response);
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  #agentFor({ ca, cert, key }: Identity): http.Agent {
    const of = [ca, cert, key?.reveal()].join('\n');
    if (this.#agent !== undefined && of === this.#agentOf) return this.#agent;
    const { server, serverName: servername } = this.access;
    const keep = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: SOCKETS };
    // The old one's connections end by themselves when what runs over them has ended.
    this.#agentOf = of;
    this.#agent =
      server.protocol === 'http:'
        ? new http.Agent(keep)
        : new https.Agent({
            ...keep,
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key: key.reveal() }),
            ...(servername === undefined ? {} : { servername }),
          });
    return this.#agent;
  }

  #unreachable(error: unknown): Error {
    if (error instanceof Error && error.name === 'BerthError') return error;
    const why = error instanceof Error ? error.message || error.name : String(error);
    return berthError('BERTH_KUBE_UNREACHABLE', { server: this.access.server.host, why }, error);
  }
}

/** Without its query: continue tokens are long and say nothing. */
const bare = (path: string): string => path.split('?')[0] ?? path;

async function answerOf(response: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw new Error(`its answer has more than ${LONGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const after = Number(response.headers['retry-after']);
  const retryAfterMs = Number.isFinite(after) && after > 0 ? after * 1000 : undefined;
  return { status: response.statusCode ?? 0, body: parsed(text), retryAfterMs };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

async function eachLine(response: http.IncomingMessage, onLine: (line: string) => boolean): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const parts = (rest + decoder.write(chunk)).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error('a line of its answer does not end');
    // Leaving the loop ends the connection.
    if (!parts.every((line) => line === '' || onLine(line))) return;
  }
}
