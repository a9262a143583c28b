/**
 * Calls of the controller over a bare socket: a load that costs little itself,
 * for a sidecar is a Go program and not a second grpc-js.
 */
import { createConnection, type Socket } from 'node:net';
import { contract } from '../src/csi/proto.js';
import * as http2 from './frames.js';

/** gRPC over HTTP/2: one byte "compressed?", four bytes of length, then the message. */
const PREFIX_BYTES = 5;
type Method = 'CreateVolume' | 'DeleteVolume' | 'ControllerPublishVolume' | 'ControllerUnpublishVolume';

const headersOf = (method: Method): Buffer =>
  http2.headerBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', `/csi.v1.Controller/${method}`],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['grpc-timeout', '60S'],
  ]);

export interface LeanClient {
  /** Rejects unless the driver answers with a message, which a refusal does not have. */
  createVolume(request: object): Promise<void>;
  deleteVolume(volumeId: string): Promise<void>;
  attach(request: object): Promise<void>;
  detach(request: object): Promise<void>;
  close(): void;
}

interface Call {
  readonly name: Method;
  answered: boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** @param socket absolute path of the driver's socket */
export function leanClient(socket: string): LeanClient {
  const connection = new Connection(createConnection(socket));
  const method = (name: Method): ((request: object) => Promise<void>) => {
    const type = contract().root.lookupType(`csi.v1.${name}Request`);
    const headers = headersOf(name);
    return (request) => connection.call(name, headers, Buffer.from(type.encode(type.fromObject(request)).finish()));
  };
  const remove = method('DeleteVolume');
  return {
    createVolume: method('CreateVolume'),
    deleteVolume: (volumeId) => remove({ volumeId }),
    attach: method('ControllerPublishVolume'),
    detach: method('ControllerUnpublishVolume'),
    close: () => connection.close(),
  };
}

class Connection {
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  readonly #waiting: (() => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #next = 1;
  /** How many calls the driver takes at a time (RFC 9113, 5.1.2); further ones wait here. */
  #most = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.write(http2.opening());
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the driver closed the connection')));
  }

  call(name: Method, headers: Buffer, message: Buffer): Promise<void> {
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        const stream = this.#next;
        this.#next += 2;
        this.#calls.set(stream, { name, answered: false, resolve, reject });
        this.#socket.write(http2.request(stream, headers, Buffer.concat([prefix, message])));
      });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#calls.size < this.#most) {
      const one = this.#waiting.shift();
      if (one === undefined) return;
      one();
    }
  }

  close(): void {
    this.#socket.end();
  }

  #read(bytes: Buffer): void {
    const { frames, rest } = http2.framesOf(this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]));
    this.#rest = rest;
    for (const one of frames) this.#take(one);
  }

  #take({ type, flags, stream, payload }: http2.Frame): void {
    const isAcknowledged = (flags & http2.ACK) !== 0;
    if (type === http2.SETTINGS && !isAcknowledged) {
      this.#most = http2.mostStreams(payload);
      this.#begin();
      this.#socket.write(http2.frame(http2.SETTINGS, http2.ACK, 0, Buffer.alloc(0)));
    } else if (type === http2.PING && !isAcknowledged) {
      this.#socket.write(http2.frame(http2.PING, http2.ACK, 0, payload));
    } else if (type === http2.GOAWAY) {
      this.#fail(new Error('the driver sends us away'));
    } else {
      this.#answer(type, flags, stream, payload);
    }
  }

  #answer(type: number, flags: number, stream: number, payload: Buffer): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    if (type === http2.DATA && payload.length > 0) call.answered = true;
    const hasEnded = (type === http2.DATA || type === http2.HEADERS) && (flags & http2.END_STREAM) !== 0;
    if (!hasEnded && type !== http2.RST_STREAM) return;
    this.#calls.delete(stream);
    if (call.answered && hasEnded) call.resolve();
    else call.reject(new Error(`${call.name} was refused; the log of the driver says why`));
    this.#begin();
  }

  #fail(error: Error): void {
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }
}
