/** The agent's side of FlexVolume: a unix socket for root alone, one line of JSON in, one out. */
import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { Drain } from '../serving/drain.js';
import { clearStaleSocket, socketPath } from '../serving/endpoint.js';
import { asBerthError, causes } from '../serving/error-status.js';
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import { parseAgentRequest, type AgentRequest } from './agent-request.js';
import { CALLS, type CallOutResult, type FlexUseCases } from './call-outs.js';

/** The kernel's limit of all arguments of a process is above this; a request is one of them and some words. */
const LONGEST_REQUEST = 1024 * 1024;
/** How long a client may take to ask, in ms. */
const ASK_MS = 10_000;
/** How long clients get to take their last answers before their connections are cut, in ms. */
const GOODBYE_MS = 1_000;

export interface RunningAgent {
  /** Refuses new calls, waits at most `ms` for the running ones and closes the socket. */
  drain(ms: number): Promise<void>;
}

/** Serves until drained. BERTH_CONFIG_INVALID for an endpoint that is malformed, occupied or cannot be bound. */
export async function startAgent(endpoint: string, useCases: FlexUseCases, log: Logger): Promise<RunningAgent> {
  const file = socketPath(endpoint);
  await clearStaleSocket(file);
  const drain = new Drain();
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    converse(connection, (text) => answer(text, { useCases, drain, log }));
  });
  await listen(server, file, endpoint);
  await chmod(file, 0o600);
  return {
    drain: async (ms) => {
      const clean = await drain.begin(ms);
      if (!clean) log.warn({ running: drain.running }, 'FlexVolume calls still ran when the drain ended');
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.destroySoon();
      // One that does not read its answer, or whose call still runs, would keep the server open for ever.
      const cut = setTimeout(() => connections.forEach((one) => one.destroy()), clean ? GOODBYE_MS : 0);
      await closed;
      clearTimeout(cut);
    },
  };
}

function listen(server: Server, file: string, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(berthError('BERTH_CONFIG_INVALID', { file: `endpoint ${endpoint}`, why: 'it cannot be bound' }, error));
    });
    server.once('listening', resolve);
    // The socket is made within this call: at no moment may anybody but root connect.
    const before = process.umask(0o177);
    server.listen(file);
    process.umask(before);
  });
}

function converse(connection: Socket, reply: (text: string) => Promise<string>): void {
  let text = '';
  connection.setEncoding('utf8');
  connection.setTimeout(ASK_MS, () => connection.destroy());
  // A kubelet that was killed meanwhile reads nothing any more.
  connection.on('error', () => undefined);
  const read = (part: string): void => {
    text += part;
    const at = text.indexOf('\n');
    if (at < 0) {
      if (text.length > LONGEST_REQUEST) connection.destroy();
      return;
    }
    connection.off('data', read);
    connection.setTimeout(0);
    void reply(text.slice(0, at)).then((line) => connection.end(line));
  };
  connection.on('data', read);
}

interface AgentParts {
  readonly useCases: FlexUseCases;
  readonly drain: Drain;
  readonly log: Logger;
}

/** Never fails: whatever is wrong is an answer. */
async function answer(text: string, { useCases, drain, log }: AgentParts): Promise<string> {
  const begun = performance.now();
  const about: Record<string, string> = {};
  try {
    const leave = drain.enter();
    try {
      const request = parseAgentRequest(text);
      about['call'] = request.call;
      about['driver'] = request.driver;
      const result = await carryOut(request, useCases, (more) => Object.assign(about, more));
      log.info({ ...about, ms: Math.round(performance.now() - begun) }, 'flexvolume');
      return line({ status: 'Success', ...result });
    } finally {
      leave();
    }
  } catch (thrown) {
    const error = asBerthError(thrown);
    const ms = Math.round(performance.now() - begun);
    const level = error.code === 'BERTH_INTERNAL' ? 'error' : 'warn';
    log[level]({ ...about, ms, code: error.code, causes: causes(error) }, `flexvolume: ${error.message}`);
    return line({ status: 'Failure', message: error.message });
  }
}

async function carryOut(
  request: AgentRequest,
  useCases: FlexUseCases,
  tell: (about: Readonly<Record<string, string>>) => void,
): Promise<CallOutResult> {
  const { call, args, ms } = request;
  const handler = Object.hasOwn(CALLS, call) ? CALLS[call] : undefined;
  if (handler === undefined) throw berthError('BERTH_FIELD_INVALID', { field: 'call', why: `${call} is not known` });
  const directory = args.find((one) => one.startsWith('/'));
  if (directory !== undefined) tell({ directory });
  return handler(useCases, request, tell, Deadline.after(ms));
}

const line = (answer: Readonly<Record<string, unknown>>): string => `${JSON.stringify(answer)}\n`;
