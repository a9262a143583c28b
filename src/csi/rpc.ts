/** Turns a typed async handler into a gRPC method: deadline, limits, one log line, error status, drain. */
import type { handleUnaryCall, sendUnaryData, ServerUnaryCall, StatusObject } from '@grpc/grpc-js';
import type { Type } from 'protobufjs';
import { Deadline } from '../model/deadline.js';
import type { BerthError } from '../model/errors.js';
import { withinDeadline } from '../model/time-limit.js';
import type { Logger } from '../observe/log.js';
import type { Drain } from '../serving/drain.js';
import { checkLimits } from './limits.js';
import { requestType } from './proto.js';
import { blot, redact } from './redact.js';
import { asBerthError, causes, toStatus } from '../serving/error-status.js';

export interface RpcContext {
  /** A little before the caller's own, so that our error, which says more, is the one that arrives. */
  readonly deadline: Deadline;
  /** Carries rpc, volume and node of this call. */
  readonly log: Logger;
}

/** Answers, or throws an error of the catalogue; anything else thrown is a bug and becomes BERTH_INTERNAL. */
export type RpcHandler<Request, Response> = (request: Request, context: RpcContext) => Promise<Response>;

/** The unary methods of a generated `...Handlers` type as handlers; what is left out answers UNIMPLEMENTED. */
export type RpcHandlers<Generated> = {
  readonly [Name in keyof Generated as string extends Name ? never : Name]?: Generated[Name] extends handleUnaryCall<
    infer Request,
    infer Response
  >
    ? RpcHandler<Request, Response>
    : never;
};

/** Called every few seconds by probes and the kubelet: a line each would bury everything else. */
const QUIET = /^(Probe|GetPluginInfo|NodeGetInfo|NodeGetVolumeStats|\w*Get\w*Capabilities)$/;

/** Of a caller's time, at most this much is kept back for the answer's way, in ms. */
const MARGIN_MS = 2_000;

/** How a call ended, for metrics. */
export interface EndedCall {
  readonly rpc: string;
  /** gRPC's, as `OK`. */
  readonly status: string;
  /** Of the catalogue; undefined for a success. */
  readonly code: string | undefined;
  readonly seconds: number;
}

/** What both forms of a method have of their server. */
export interface CallEdge {
  readonly log: Logger;
  readonly drain: Drain;
  /** Told the end of every call. */
  readonly ended?: ((call: EndedCall) => void) | undefined;
}

/** What its lines in the log and its deadline come from. */
export interface RunningCall {
  readonly rpc: string;
  readonly type: Type;
  readonly request: object;
  readonly deadline: Deadline;
  /** Later than `deadline` and still before the caller's: an answer leaves by then, whatever the handler waits for. */
  readonly lastMoment: Deadline;
  readonly log: Logger;
  readonly ended: CallEdge['ended'];
  /** What every line of this call says of it. */
  readonly about: Readonly<Record<string, string>>;
  readonly startedAt: number;
  readonly abandoned: () => boolean;
}

/** Wraps `handler` for a grpc-js server. */
export function unary<Request extends object, Response>(
  handler: RpcHandler<Request, Response>,
  edge: CallEdge,
): handleUnaryCall<Request, Response> {
  return (grpcCall, reply) => {
    const call = describeCall(grpcCall, edge);
    answerCall(handler, grpcCall.request, call, edge.drain).then(
      (response) => {
        logEnd(call, undefined);
        reply(null, response);
      },
      (thrown: unknown) => {
        replyError(call, asBerthError(thrown), reply);
      },
    );
  };
}

/** Refuses what is over the contract's limits, and says in the log what is asked for. */
export function admit(call: RunningCall): RpcContext {
  checkLimits(call.type, call.request);
  if (call.log.isLevelEnabled('debug'))
    call.log.debug({ ...call.about, request: redact(call.type, call.request) }, `${call.rpc} begins`);
  // A child logger costs more than most calls do with it.
  return {
    deadline: call.deadline,
    get log(): Logger {
      return call.log.child(call.about);
    },
  };
}

async function answerCall<Request extends object, Response>(
  handler: RpcHandler<Request, Response>,
  request: Request,
  call: RunningCall,
  drain: Drain,
): Promise<Response> {
  const leave = drain.enter();
  try {
    const context = admit(call);
    // A handler may overrun its deadline, by the second that a child has to be killed in or on a path that hangs; its
    // caller may not notice.
    return await withinDeadline(handler(request, context), call.rpc, call.lastMoment);
  } finally {
    leave();
  }
}

/** What any call tells of itself, whatever its answer's form. */
type AnyCall = Pick<ServerUnaryCall<object, unknown>, 'getPath' | 'getDeadline' | 'request' | 'cancelled'>;

/** @param budgetMs how long a caller waits who names no deadline, in ms */
export function describeCall(call: AnyCall, { log, ended }: CallEdge, budgetMs?: number): RunningCall {
  const path = call.getPath();
  const rpc = path.slice(path.lastIndexOf('/') + 1);
  const volume = firstField(
    call.request,
    'volumeId',
    'name',
    'sourceVolumeId',
    'snapshotId',
    'targetSnapshotId',
    'groupSnapshotId',
  );
  const node = firstField(call.request, 'nodeId');
  const caller = Deadline.atDate(call.getDeadline(), budgetMs);
  const margin = Math.min(MARGIN_MS, caller.remaining() / 10);
  return {
    rpc,
    type: requestType(path),
    request: call.request,
    deadline: caller.less(margin),
    lastMoment: caller.less(margin / 2),
    log,
    ended,
    about: { rpc, ...(volume && { volume }), ...(node && { node }) },
    startedAt: performance.now(),
    abandoned: () => call.cancelled,
  };
}

/** The first of these fields that is set, cut to what a log line can bear (limits are not checked yet). */
function firstField(request: object, ...fields: readonly string[]): string | undefined {
  for (const field of fields) {
    const value: unknown = Reflect.get(request, field);
    if (typeof value === 'string' && value !== '') return value.slice(0, 256);
  }
  return undefined;
}

function replyError<Response>(call: RunningCall, error: BerthError, reply: sendUnaryData<Response>): void {
  reply(endWithError(call, error), null);
}

/** Logs how the call failed; the answer is what its caller is told. */
export function endWithError(call: RunningCall, error: BerthError): StatusObject {
  const details = blot(error.message, call.type, call.request);
  logEnd(call, { error, details });
  return toStatus(error, details);
}

export function logEnd(call: RunningCall, failure: { error: BerthError; details: string } | undefined): void {
  const elapsed = performance.now() - call.startedAt;
  const ms = Math.round(elapsed);
  const gone = call.abandoned() && { callerGone: true };
  const status = failure === undefined ? 'OK' : failure.error.status;
  call.ended?.({ rpc: call.rpc, status, code: failure?.error.code, seconds: elapsed / 1000 });
  if (failure === undefined) {
    const level = QUIET.test(call.rpc) ? 'debug' : 'info';
    call.log[level]({ ...call.about, ms, code: 'OK', ...gone }, call.rpc);
    return;
  }
  const { error, details } = failure;
  const clean = (one: string): string => blot(one, call.type, call.request);
  const chain = causes(error).map(clean);
  // Only a bug is worth its stack, and only here: never on the wire.
  const stack = error.code === 'BERTH_INTERNAL' &&
    error.cause instanceof Error && { stack: clean(error.cause.stack ?? '') };
  call.log.warn(
    {
      ...call.about,
      ms,
      code: error.status,
      error: details,
      ...(chain.length > 0 && { causes: chain }),
      ...stack,
      ...gone,
    },
    call.rpc,
  );
}
