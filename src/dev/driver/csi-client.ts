/** A CSI client for the development tools: the three services of one socket as promises with deadlines. */
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { contract } from '../../csi/proto.js';
import type { ControllerClient } from '../../csi/gen/csi/v1/Controller.js';
import type { IdentityClient } from '../../csi/gen/csi/v1/Identity.js';
import type { NodeClient } from '../../csi/gen/csi/v1/Node.js';

export interface CsiClient {
  readonly identity: IdentityClient;
  readonly controller: ControllerClient;
  readonly node: NodeClient;
  close(): void;
}

/** @param endpoint `unix:///absolute/path.sock` */
export function csiClient(endpoint: string): CsiClient {
  const { v1 } = contract();
  const anyone = credentials.createInsecure();
  const identity = new v1.Identity(endpoint, anyone);
  const controller = new v1.Controller(endpoint, anyone);
  const node = new v1.Node(endpoint, anyone);
  const close = (): void => {
    for (const client of [identity, controller, node]) client.close();
  };
  return { identity, controller, node, close };
}

/**
 * One unary call as a promise: `ask((done) => client.Probe({}, { deadline }, done))`; rejects with grpc's ServiceError.
 */
export function ask<Answer>(
  start: (done: (error: ServiceError | null, answer?: Answer) => void) => unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    start((error, answer) => {
      if (error !== null) reject(error);
      else if (answer === undefined) reject(new TypeError('an answer without a message'));
      else resolve(answer);
    });
  });
}
