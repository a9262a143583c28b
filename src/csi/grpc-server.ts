/** The gRPC server of the CSI services on its unix socket, from bind to drain. */
import { chmod, stat } from 'node:fs/promises';
import path from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { berthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import { Drain } from '../serving/drain.js';
import { clearStaleSocket, socketPath } from '../serving/endpoint.js';
import type { ControllerHandlers } from './gen/csi/v1/Controller.js';
import type { GroupControllerHandlers } from './gen/csi/v1/GroupController.js';
import type { IdentityHandlers } from './gen/csi/v1/Identity.js';
import type { NodeHandlers } from './gen/csi/v1/Node.js';
import type { SnapshotMetadataHandlers } from './gen/csi/v1/SnapshotMetadata.js';
import { contract } from './proto.js';
import { type CallEdge, type RpcHandler, type RpcHandlers, unary } from './rpc.js';
import { serverStream, type StreamHandler, type StreamHandlers } from './streams/server-stream.js';

export type IdentityService = RpcHandlers<IdentityHandlers>;
export type ControllerService = RpcHandlers<ControllerHandlers>;
export type GroupControllerService = RpcHandlers<GroupControllerHandlers>;
export type NodeService = RpcHandlers<NodeHandlers>;
export type SnapshotMetadataService = StreamHandlers<SnapshotMetadataHandlers>;

export interface ServerOptions {
  /** `unix:///absolute/path.sock`; the directory must exist. */
  readonly endpoint: string;
  /** What this process serves; a method that is not there answers UNIMPLEMENTED. */
  readonly services: {
    readonly Identity?: IdentityService;
    readonly Controller?: ControllerService;
    readonly GroupController?: GroupControllerService;
    readonly SnapshotMetadata?: SnapshotMetadataService;
    readonly Node?: NodeService;
  };
  readonly log: Logger;
  /** Told the end of every call. */
  readonly ended?: CallEdge['ended'];
}

export interface RunningServer {
  readonly endpoint: string;
  /** Refuses new calls, waits at most `ms` for the running ones, then ends the rest and closes the socket. */
  drain(ms: number): Promise<void>;
}

/**
 * CSI 1.12 limits every field; the largest request, a group of a thousand snapshots, has half of this, in bytes. gRPC
 * answers RESOURCE_EXHAUSTED to more before it keeps any of it: its own limit of 4 MiB, a few hundred times at once, is
 * more than a driver's container has.
 */
const MESSAGE_BYTES = 256 * 1024;
/** Calls of one connection at a time; the client keeps further ones back. Sidecars have a hundred workers at most. */
const STREAMS = 512;
const LIMITS = { 'grpc.max_receive_message_length': MESSAGE_BYTES, 'grpc.max_concurrent_streams': STREAMS };

/** How long clients get to take their last answers before their connections are cut, in ms. */
const GOODBYE_MS = 1000;

/** Serves until drained. BERTH_CONFIG_INVALID for an endpoint that is malformed, occupied or cannot be bound. */
export async function startServer({ endpoint, services, log, ended }: ServerOptions): Promise<RunningServer> {
  const file = socketPath(endpoint);
  const directory = await stat(path.dirname(file)).catch(() => undefined);
  if (!directory?.isDirectory()) {
    throw berthError('BERTH_CONFIG_INVALID', { file: `endpoint ${endpoint}`, why: 'its directory does not exist' });
  }
  await clearStaleSocket(file);
  const drain = new Drain();
  // With channelz, for without it grpc-js (1.14) forgets its sessions and forceShutdown ends no call.
  const server = new Server(LIMITS);
  const { v1 } = contract();
  for (const name of ['Identity', 'Controller', 'GroupController', 'SnapshotMetadata', 'Node'] as const) {
    const handlers = services[name];
    if (handlers !== undefined)
      server.addService(v1[name].service, implement(v1[name].service, handlers, { log, drain, ended }));
  }
  await bindSocket(server, endpoint);
  // Whoever may connect may mount and delete: owner only, whatever the umask.
  await chmod(file, 0o600);
  return { endpoint, drain: (ms) => shutDown(server, drain, ms, log) };
}

function implement(
  definition: ServiceDefinition,
  handlers: IdentityService | ControllerService | GroupControllerService | SnapshotMetadataService | NodeService,
  edge: CallEdge,
): UntypedServiceImplementation {
  // The mapped types have checked each handler against its method; from here on they are all alike.
  const byName = handlers as Readonly<Record<string, unknown>>;
  const methods: UntypedServiceImplementation = {};
  for (const [name, { responseStream }] of Object.entries(definition)) {
    const handler = byName[name];
    if (handler === undefined) continue;
    methods[name] = responseStream
      ? serverStream(handler as StreamHandler<object, unknown>, edge)
      : unary(handler as RpcHandler<object, unknown>, edge);
  }
  return methods;
}

function bindSocket(server: Server, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(endpoint, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else
        reject(berthError('BERTH_CONFIG_INVALID', { file: `endpoint ${endpoint}`, why: 'it cannot be bound' }, error));
    });
  });
}

async function shutDown(server: Server, drain: Drain, ms: number, log: Logger): Promise<void> {
  log.info({ running: drain.running, ms }, 'draining');
  const clean = await drain.begin(ms);
  if (!clean) log.warn({ running: drain.running }, 'calls still ran when the drain ended');
  await new Promise<void>((resolve) => {
    const force = (): void => {
      server.forceShutdown();
      resolve();
    };
    const timer = setTimeout(force, clean ? GOODBYE_MS : 0);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
