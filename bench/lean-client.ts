/** CreateVolume over bare HTTP/2: a load that costs little itself, for a sidecar is a Go program and not a second grpc-js. */
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { createConnection } from 'node:net';
import { contract } from '../src/csi/proto.js';

const PATH = '/csi.v1.Controller/CreateVolume';
/** gRPC over HTTP/2: one byte "compressed?", four bytes of length, then the message. */
const PREFIX_BYTES = 5;

export interface LeanClient {
  /** Rejects unless the answer's grpc-status is OK. */
  createVolume(request: object): Promise<void>;
  close(): void;
}

/** @param socket absolute path of the driver's socket */
export function leanClient(socket: string): LeanClient {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  const type = contract().root.lookupType('csi.v1.CreateVolumeRequest');
  return {
    createVolume: (request) => call(session, Buffer.from(type.encode(type.fromObject(request)).finish())),
    close: () => session.close(),
  };
}

function call(session: ClientHttp2Session, message: Buffer): Promise<void> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: PATH,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      'grpc-timeout': '60S',
    });
    let status: unknown = 'no status';
    let says: unknown;
    const note = (headers: object): void => {
      status = Reflect.get(headers, 'grpc-status') ?? status;
      says = Reflect.get(headers, 'grpc-message') ?? says;
    };
    stream.once('response', note);
    stream.once('trailers', note);
    stream.once('error', reject);
    stream.once('close', () => {
      if (status === '0') resolve();
      else reject(new Error(`CreateVolume: grpc-status ${String(status)}: ${decodeURI(String(says))}`));
    });
    stream.resume();
    stream.end(Buffer.concat([prefix, message]));
  });
}
