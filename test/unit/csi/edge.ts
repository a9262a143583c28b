/**
 * A driver's edge on a real unix socket for one test, with its log kept in memory; ended and removed after the test.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { credentials, type Client, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach } from 'vitest';
import { type RunningServer, type ServerOptions, startServer } from '../../../src/csi/grpc-server.js';

export interface Edge {
  directory: string;
  endpoint: string;
  /** What was logged, at every level. */
  lines: Record<string, unknown>[];
  serve(services: ServerOptions['services']): Promise<RunningServer>;
  client<C extends Client>(Ctor: new (target: string, creds: ChannelCredentials) => C): C;
  /** The lines that end a call of this RPC. */
  ends(rpc: string): Record<string, unknown>[];
}

/** To be called at the top of a test file. */
export function edge(): Edge {
  const running: RunningServer[] = [];
  const clients: Client[] = [];
  const made: Edge = {
    directory: '',
    endpoint: '',
    lines: [],
    async serve(services) {
      const write = (line: string): void => void made.lines.push(JSON.parse(line) as Record<string, unknown>);
      const log = pino({ level: 'trace' }, { write });
      const server = await startServer({ endpoint: made.endpoint, services, log });
      running.push(server);
      return server;
    },
    client(Ctor) {
      const client = new Ctor(made.endpoint, credentials.createInsecure());
      clients.push(client);
      return client;
    },
    ends: (rpc) => made.lines.filter((line) => line['rpc'] === rpc && line['code'] !== undefined),
  };
  beforeEach(async () => {
    made.directory = await mkdtemp(path.join(tmpdir(), 'berth-csi-'));
    made.endpoint = `unix://${made.directory}/csi.sock`;
    made.lines = [];
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await Promise.all(running.splice(0).map((server) => server.drain(0)));
    await rm(made.directory, { recursive: true, force: true });
  });
  return made;
}

export interface Reply<Response> {
  readonly error: ServiceError | null;
  readonly response: Response | undefined;
}

/** One unary call as a promise that never rejects. */
export function call<Response>(
  send: (done: (error: ServiceError | null, response?: Response) => void) => unknown,
): Promise<Reply<Response>> {
  return new Promise((resolve) => {
    send((error, response) => {
      resolve({ error, response });
    });
  });
}
