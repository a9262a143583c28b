/**
 * As much of HTTP/2 (RFC 9113, RFC 7541) as unary calls over one connection need, written by hand: the load shares its
 * cores with what is measured.
 */

/** Types of frames. */
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
/** Flags; ACK is that of SETTINGS and PING. */
export const END_STREAM = 0x1;
export const ACK = 0x1;
const END_HEADERS = 0x4;

const HEADER_BYTES = 9;
/**
 * SETTINGS_INITIAL_WINDOW_SIZE and what is added to the connection's window:
 * nothing that a run receives ever fills them.
 */
const WINDOW = 2 ** 30;
const INITIAL_WINDOW_SIZE = 4;
const MAX_CONCURRENT_STREAMS = 3;
const SETTING_BYTES = 6;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** The whole frames at the start of `bytes`, and what is left of it. */
export function framesOf(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_BYTES) {
    const end = at + HEADER_BYTES + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const [type, flags, stream] = [bytes.readUInt8(at + 3), bytes.readUInt8(at + 4), bytes.readUInt32BE(at + 5)];
    frames.push({ type, flags, stream, payload: bytes.subarray(at + HEADER_BYTES, end) });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Preface, settings, and room to receive. */
export function opening(): Buffer {
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(INITIAL_WINDOW_SIZE, 0);
  setting.writeUInt32BE(WINDOW, 2);
  const room = Buffer.alloc(4);
  room.writeUInt32BE(WINDOW);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  return Buffer.concat([preface, frame(SETTINGS, 0, 0, setting), frame(WINDOW_UPDATE, 0, 0, room)]);
}

/** SETTINGS_MAX_CONCURRENT_STREAMS of a SETTINGS frame; without one there is no limit. */
export function mostStreams(settings: Buffer): number {
  for (let at = 0; at + SETTING_BYTES <= settings.length; at += SETTING_BYTES) {
    if (settings.readUInt16BE(at) === MAX_CONCURRENT_STREAMS) return settings.readUInt32BE(at + 2);
  }
  return Infinity;
}

/** Literals that nobody indexes, so that the block is the same for every request. */
export function headerBlock(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string): Buffer => {
    if (value.length >= 127) throw new RangeError(`${value}: a length of several bytes is not needed here`);
    return Buffer.from([value.length, ...Buffer.from(value)]);
  };
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** One request: its header block and its only message. */
export const request = (stream: number, block: Buffer, message: Buffer): Buffer =>
  Buffer.concat([frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, message)]);
