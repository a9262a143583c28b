/** Shows the counters over HTTP at /metrics, for Prometheus; nothing else, and to anybody who can reach the address. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { berthError } from '../model/errors.js';
import type { Counters } from './metrics.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsServer {
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * @param address `host:port`, `:port` for every address, `[::1]:9810`, `[10.0.0.1]:9810`;
 * BERTH_CONFIG_INVALID where nobody can listen there
 */
export async function serveMetrics(counters: Pick<Counters, 'text'>, address: string): Promise<MetricsServer> {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([\da-fA-F:.]+)\]|([^[\]:]*)):(\d{1,5})$/.exec(address) ?? [];
  const addressError = (why: string): Error =>
    berthError('BERTH_CONFIG_INVALID', { file: `metrics-address ${address}`, why });
  if (port === '' || Number(port) > 65_535) throw addressError('it is not host:port');
  const server = createServer((request, response) => {
    const isAsked = request.method === 'GET' && request.url?.split('?')[0] === '/metrics';
    if (isAsked) void answer(counters, response);
    else response.writeHead(404).end();
  });
  await listen(server, Number(port), bracketed ?? (plain || undefined)).catch((error: unknown) => {
    throw addressError((error as NodeJS.ErrnoException).code ?? String(error));
  });
  const where = server.address();
  return {
    port: typeof where === 'object' && where !== null ? where.port : 0,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What cannot be read is no reason to end a driver: the scrape fails, and Prometheus says so. */
async function answer(counters: Pick<Counters, 'text'>, response: ServerResponse): Promise<void> {
  try {
    const text = await counters.text();
    response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text);
  } catch (error) {
    response.writeHead(500).end(`${error instanceof Error ? error.message : 'failed'}\n`);
  }
}

const listen = (server: Server, port: number, host: string | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
