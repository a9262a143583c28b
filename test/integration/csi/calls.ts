/** The CSI services of one socket as typed promises, and what every refusal has to look like whatever the call was. */
import {
  type Client,
  credentials,
  status,
  type ClientUnaryCall,
  type requestCallback,
  type ServiceError,
} from '@grpc/grpc-js';
import { expect } from 'vitest';
import type { ControllerClient } from '../../../src/csi/gen/csi/v1/Controller.js';
import type { GroupControllerClient } from '../../../src/csi/gen/csi/v1/GroupController.js';
import type { IdentityClient } from '../../../src/csi/gen/csi/v1/Identity.js';
import type { NodeClient } from '../../../src/csi/gen/csi/v1/Node.js';
import type { SnapshotMetadataClient } from '../../../src/csi/gen/csi/v1/SnapshotMetadata.js';
import { contract } from '../../../src/csi/proto.js';

/** How long a call may take where the test says nothing, in ms. */
const PATIENCE_MS = 60_000;

/** The methods of a generated client as functions from request (and ms of deadline) to answer. */
type Calls<Service> = {
  readonly [Name in keyof Service as Name extends Capitalize<Name & string> ? Name : never]: Service[Name] extends (
    request: infer Request,
    done: requestCallback<infer Answer>,
  ) => ClientUnaryCall
    ? (request: Request, ms?: number) => Promise<Answer>
    : never;
};

export interface Services {
  readonly identity: Calls<IdentityClient>;
  readonly controller: Calls<ControllerClient>;
  readonly group: Calls<GroupControllerClient>;
  readonly node: Calls<NodeClient>;
  /** Its calls are streams. */
  readonly snapshotMetadata: SnapshotMetadataClient;
  close(): void;
}

type Method = (
  this: Client,
  request: object,
  options: { deadline: number },
  done: (error: ServiceError | null, answer?: unknown) => void,
) => void;

function promised<Service extends Client>(client: Service): Calls<Service> {
  const call =
    (name: string) =>
    (request: object, ms: number = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        const method = Reflect.get(client, name) as Method;
        method.call(client, request, { deadline: Date.now() + ms }, (error, answer) => {
          if (error === null) resolve(answer);
          // An answer beside an error would be half a success: the contract knows none.
          else if (answer === undefined) reject(error);
          else reject(new Error(`${name} answered ${JSON.stringify(answer)} beside ${error.message}`));
        });
      });
  return new Proxy({}, { get: (_, name) => call(String(name)) }) as Calls<Service>;
}

/** @param socket absolute path */
export function connect(socket: string): Services {
  const { v1 } = contract();
  const endpoint = `unix://${socket}`;
  // A connection of its own for each driver process: grpc-js pools by address, and a restarted driver has the same one.
  const options = {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_reconnect_backoff_ms': 200,
    'grpc.initial_reconnect_backoff_ms': 50,
  };
  const clients = {
    identity: new v1.Identity(endpoint, credentials.createInsecure(), options),
    controller: new v1.Controller(endpoint, credentials.createInsecure(), options),
    group: new v1.GroupController(endpoint, credentials.createInsecure(), options),
    node: new v1.Node(endpoint, credentials.createInsecure(), options),
    snapshotMetadata: new v1.SnapshotMetadata(endpoint, credentials.createInsecure(), options),
  };
  return {
    identity: promised(clients.identity),
    controller: promised(clients.controller),
    group: promised(clients.group),
    node: promised(clients.node),
    snapshotMetadata: clients.snapshotMetadata,
    close: () => Object.values(clients).forEach((client) => client.close()),
  };
}

export interface Refusal {
  readonly status: string;
  readonly text: string;
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && 'details' in error && 'metadata' in error;

/** The refusal of a call that must not succeed, with the shape that every refusal has (CSI 1.12, "Error Scheme"). */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  const error = await call.then(
    (answer) => {
      throw new Error(`it succeeded with ${JSON.stringify(answer)}`);
    },
    (thrown: unknown) => thrown,
  );
  if (!isServiceError(error)) throw error;
  expect(error.details, 'a message in our own words: code, what is wrong, what to do').toMatch(
    /^BERTH_[A-Z][A-Z_]+: [^]+; [^]+/,
  );
  expect(error.details, 'placeholders are filled and no stack is shown').not.toMatch(
    /\{\w+\}|\n\s+at |undefined|\[object/,
  );
  expect(Object.keys(error.metadata.getMap()).filter((key) => !['content-type', 'date'].includes(key))).toEqual([]);
  return { status: status[error.code], text: error.details };
}

/**
 * The call has to be refused with this status (or one of these) and, where given, with words that match. Returns the
 * text.
 */
export async function refused(
  call: Promise<unknown>,
  code: string | readonly string[],
  words?: RegExp,
): Promise<string> {
  const { status: got, text } = await refusal(call);
  expect([code].flat(), text).toContain(got);
  if (words !== undefined) expect(text).toMatch(words);
  return text;
}
