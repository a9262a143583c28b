/**
 * Turns a typed handler into a gRPC method that answers with a stream of messages: limits, one log line, error status,
 * drain. Nothing more is made than its caller takes.
 */
import { once } from 'node:events';
import type { handleServerStreamingCall, ServerWritableStream } from '@grpc/grpc-js';
import { berthError } from '../../model/errors.js';
import type { Drain } from '../../serving/drain.js';
import { asBerthError } from '../../serving/error-status.js';
import { admit, describeCall, endWithError, logEnd, type CallEdge, type RpcContext, type RunningCall } from '../rpc.js';

/** Messages in the order in which they are sent; what is thrown ends the stream as an error. */
export type StreamHandler<Request, Message> = (request: Request, context: RpcContext) => AsyncIterable<Message>;

/** The streaming methods of a generated `...Handlers` type as handlers; what is left out answers UNIMPLEMENTED. */
export type StreamHandlers<Generated> = {
  readonly [Name in keyof Generated as string extends Name
    ? never
    : Name]?: Generated[Name] extends handleServerStreamingCall<infer Request, infer Message>
    ? StreamHandler<Request, Message>
    : never;
};

/** A stream takes as long as it takes, unless its caller says otherwise; in ms. */
const UNBOUNDED_MS = Number.POSITIVE_INFINITY;

/** Wraps `handler` for a grpc-js server. */
export function serverStream<Request extends object, Message>(
  handler: StreamHandler<Request, Message>,
  edge: CallEdge,
): handleServerStreamingCall<Request, Message> {
  return (grpcCall) => {
    const call = describeCall(grpcCall, edge, UNBOUNDED_MS);
    send(handler, grpcCall, call, edge.drain).then(
      () => {
        logEnd(call, undefined);
        grpcCall.end();
      },
      // grpc-js ends the stream with this status, after the messages that were written before.
      (thrown: unknown) => grpcCall.emit('error', endWithError(call, asBerthError(thrown))),
    );
  };
}

async function send<Request extends object, Message>(
  handler: StreamHandler<Request, Message>,
  grpcCall: ServerWritableStream<Request, Message>,
  call: RunningCall,
  drain: Drain,
): Promise<void> {
  const leave = drain.enter();
  try {
    for await (const message of handler(grpcCall.request, admit(call))) {
      // A generator that is left in the middle begins nothing more.
      if (grpcCall.cancelled) return;
      if (!grpcCall.write(message)) await taken(grpcCall, drain);
      if (drain.draining) throw berthError('BERTH_SHUTTING_DOWN', {});
    }
  } finally {
    leave();
  }
}

/** Resolves when the caller has taken what was written, has gone, or is no longer waited for. */
async function taken(grpcCall: ServerWritableStream<object, unknown>, drain: Drain): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const events = ['drain', 'cancelled', 'close'].map((event) => once(grpcCall, event, { signal }));
  try {
    if (!grpcCall.cancelled) await Promise.race([...events, drain.begun]);
  } finally {
    stop.abort();
    await Promise.allSettled(events);
  }
}
