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
