/** Asks a Ceph process over its admin socket, without the `ceph` program (160 ms of Python). */
import { connect } from 'node:net';

/** The protocol: a JSON command and NUL; a big-endian u32 length and the answer. */
export async function askAdminSocket(socket: string, prefix: string): Promise<unknown> {
  const stream = connect(socket);
  stream.write(`${JSON.stringify({ prefix })}\0`);
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).subarray(4).toString('utf8')) as unknown;
}

/** How many messages to OSDs the client behind the socket has sent: librados' own counter. */
export async function operationsSent(socket: string): Promise<number> {
  const dump = (await askAdminSocket(socket, 'perf dump')) as { objecter: { op_send: number } };
  return dump.objecter.op_send;
}
