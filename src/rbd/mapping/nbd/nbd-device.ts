/**
 * A program of its own: `nbd-device INDEX size BYTES [COOKIE]` tells the kernel the new size of an nbd device,
 * `nbd-device INDEX disconnect` frees it. Node has no netlink, and foreign functions stay out of the driver's process.
 * Exit code 0, or 1 with the reason on standard error.
 */
import koffi from 'koffi';
import { askFamily, disconnect, readReplies, setSize, type Reply } from './netlink-message.js';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_GENERIC = 16;
const LONGEST_REPLY = 8_192;

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
const send = libc.func('long send(int, const void *, size_t, int)') as (...args: SocketCall) => number;
const receive = libc.func('long recv(int, void *, size_t, int)') as (...args: SocketCall) => number;
type SocketCall = [socket: number, bytes: Buffer, length: number, flags: number];

/** The kernel answers within send(): there is nothing to wait for. */
function ask(socket: number, request: Buffer): readonly Reply[] {
  if (send(socket, request, request.length, 0) !== request.length) throw new Error('the message cannot be sent');
  const replies: Reply[] = [];
  while (!replies.some(({ result }) => result !== undefined)) {
    const datagram = Buffer.alloc(LONGEST_REPLY);
    const length = receive(socket, datagram, datagram.length, 0);
    if (length <= 0) throw new Error('the kernel does not answer');
    replies.push(...readReplies(datagram.subarray(0, length)));
  }
  const refusal = replies.find(({ result }) => result !== undefined && result !== 0);
  if (refusal !== undefined) throw new Error(`the kernel refuses (error ${refusal.result ?? 0})`);
  return replies;
}

function tell([index = '', what = '', size = '', cookie = '']: readonly string[]): void {
  const socket = openSocket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_GENERIC);
  if (socket < 0) throw new Error('there is no generic netlink');
  const family = ask(socket, askFamily('nbd')).find((reply) => reply.family !== undefined)?.family;
  if (family === undefined) throw new Error('the kernel has no nbd interface');
  const device = Number(index);
  ask(socket, what === 'size' ? setSize(family, device, BigInt(size), cookie) : disconnect(family, device));
}

try {
  tell(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
