/** Shows the counters over HTTP at /metrics, for Prometheus; nothing else, and to anybody who can reach the address. */
import { createServer, type ServerResponse } from 'node:http';
import { listenAt, parseHttpAddress } from './http-address.js';
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
  const at = parseHttpAddress('metrics-address', address);
  const server = createServer((request, response) => {
    const isAsked = request.method === 'GET' && request.url?.split('?')[0] === '/metrics';
    if (isAsked) void answer(counters, response);
    else response.writeHead(404).end();
  });
  const port = await listenAt(server, 'metrics-address', at);
  return {
    port,
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
