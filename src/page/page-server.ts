/** Serves the page over HTTP or HTTPS: reads a request within limits, answers it, and lets nobody keep a connection. */
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket, type SecureContextOptions } from 'node:tls';
import { listenAt } from '../observe/http-address.js';
import type { Logger } from '../observe/log.js';
import type { Answer } from './answer.js';
import type { Question } from './answer-request.js';
import { readCertificates, watchCertificates } from './certificates.js';
import { ADDRESS_OPTION, type PageSettings } from './page-settings.js';

export interface PageServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Times in ms, sizes in bytes: who looks at a page needs little, and who wants to do harm gets no more. */
export const LIMITS = {
  connections: 128,
  header: 8_192,
  headersMs: 5_000,
  requestMs: 10_000,
  keepAliveMs: 20_000,
  /** Without a byte either way; longer than a trace takes. */
  silenceMs: 30_000,
  form: 4_096,
};

/** Nothing from elsewhere is loaded, run, framed or told of this page. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** BERTH_CONFIG_INVALID where nobody can listen there, or certificates cannot be used. */
export async function servePage(
  settings: PageSettings,
  answer: (question: Question) => Promise<Answer>,
  log: Logger,
  limits = LIMITS,
): Promise<PageServer> {
  const { tls, at } = settings;
  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void respond(request, response, answer, log);
  const options: ServerOptions = {
    maxHeaderSize: limits.header,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: 1_000,
  };
  const certificates = tls && (await readCertificates(tls));
  const server = certificates === undefined ? createServer(options, handle) : tlsServer(options, certificates, handle);
  server.maxConnections = limits.connections;
  server.timeout = limits.silenceMs;
  const port = await listenAt(server, ADDRESS_OPTION, at);
  const use = (next: SecureContextOptions): void => {
    if ('setSecureContext' in server) server.setSecureContext(next);
  };
  const watching = tls && certificates && watchCertificates(tls, certificates, use, log);
  log.info({ address: at.text, port, tls: tls !== undefined }, 'the page is served');
  return {
    port,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, watching?.stop()]);
    },
  };
}

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** A certificate is asked for where there is an authority for it; who has none may still have the token. */
const tlsServer = (options: ServerOptions, certificates: SecureContextOptions, handle: Handle) =>
  createTlsServer(
    {
      ...options,
      ...certificates,
      requestCert: certificates.ca !== undefined,
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.headersMs,
    },
    handle,
  );

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (question: Question) => Promise<Answer>,
  log: Logger,
): Promise<void> {
  try {
    const question = await questionOf(request);
    send(request, response, 'status' in question ? question : await answer(question));
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    log.error({ err: error }, 'the page could not answer');
    send(request, response, plain(500, 'The page failed; the log of the controller says why.'));
  }
}

function send({ method }: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const length: Record<string, number> = status === 304 ? {} : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { ...SECURITY_HEADERS, ...headers, ...length });
  response.end(method === 'HEAD' ? undefined : body);
}

const plain = (status: number, says: string, more: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...more },
  body: `${says}\n`,
});

/** Node calls a session of TLS 1.3 that is resumed authorized, also where nobody has ever shown a certificate. */
const hasCertificate = (socket: Socket): boolean =>
  socket instanceof TLSSocket && socket.authorized && socket.getPeerX509Certificate() !== undefined;

/** Forms are sent to these alone. */
const FORMS: readonly string[] = ['/login', '/logout'];

/** What is asked; or at once the answer to what nobody may ask. */
async function questionOf(request: IncomingMessage): Promise<Question | Answer> {
  const { method = '', url: target = '', headers } = request;
  const url =
    target.startsWith('/') && URL.canParse(target, 'http://page') ? new URL(target, 'http://page') : undefined;
  if (url === undefined || url.host !== 'page') return plain(400, 'The address cannot be read.');
  const isForm = FORMS.includes(url.pathname);
  const allowed = isForm ? ['POST', 'GET', 'HEAD'] : ['GET', 'HEAD'];
  if (!allowed.includes(method)) return plain(405, 'This page only shows.', { allow: allowed.join(', ') });
  const { authorization, cookie, 'if-none-match': known } = headers;
  const { socket } = request;
  const visitor = {
    address: socket.remoteAddress ?? '',
    hasCertificate: hasCertificate(socket),
    authorization,
    cookie,
  };
  if (method !== 'POST') return { method: 'GET', url, visitor, known, form: new URLSearchParams() };
  // A browser says where a form comes from; one of another site does not log anybody in or out.
  if (!['same-origin', 'none', undefined].includes(headers['sec-fetch-site']))
    return plain(403, 'This form is of another site.');
  const text = await formOf(request);
  if (text === undefined) return plain(413, 'That is too much for a form.', { connection: 'close' });
  return { method: 'POST', url, visitor, known, form: new URLSearchParams(text) };
}

/** Undefined where it is too long: the rest of it is not read. */
function formOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= LIMITS.form) chunks.push(chunk);
      else resolve(undefined);
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', reject);
  });
}
