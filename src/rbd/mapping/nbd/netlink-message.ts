/**
 * Generic netlink messages as bytes, as far as nbd's interface needs them (include/uapi/linux/netlink.h, genetlink.h,
 * nbd-netlink.h).
 */

const HEADER_BYTES = 16;
const GENERIC_HEADER_BYTES = 4;
const ATTRIBUTE_HEADER_BYTES = 4;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;

/** The family that knows the numbers of all others. */
export const NETLINK_CONTROLLER = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const NBD_CMD_DISCONNECT = 2;
const NBD_CMD_RECONFIGURE = 3;
const NBD_ATTR_INDEX = 1;
const NBD_ATTR_SIZE_BYTES = 2;
const NBD_ATTR_BACKEND_IDENTIFIER = 10;

/** Lengths count without the padding, positions with it. */
const aligned = (bytes: number): number => (bytes + 3) & ~3;

/** Netlink is in the machine's own byte order; all that Berth is built for are little-endian. */
function attribute(type: number, payload: Buffer): Buffer {
  const whole = Buffer.alloc(aligned(ATTRIBUTE_HEADER_BYTES + payload.length));
  whole.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + payload.length, 0);
  whole.writeUInt16LE(type, 2);
  payload.copy(whole, ATTRIBUTE_HEADER_BYTES);
  return whole;
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function message(family: number, command: number, attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat(attributes);
  const header = Buffer.alloc(HEADER_BYTES + GENERIC_HEADER_BYTES);
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt16LE(family, 4);
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK, 6);
  header.writeUInt8(command, HEADER_BYTES);
  // The version of both interfaces.
  header.writeUInt8(1, HEADER_BYTES + 1);
  return Buffer.concat([header, body]);
}

export const askFamily = (name: string): Buffer =>
  message(NETLINK_CONTROLLER, CTRL_CMD_GETFAMILY, [attribute(CTRL_ATTR_FAMILY_NAME, text(name))]);

/**
 * Gives the connected device `/dev/nbd<index>` a new size in bytes; `cookie` must be its own, empty where it has none.
 */
export const setSize = (family: number, index: number, sizeBytes: bigint, cookie: string): Buffer =>
  message(family, NBD_CMD_RECONFIGURE, [
    attribute(NBD_ATTR_INDEX, u32(index)),
    attribute(NBD_ATTR_SIZE_BYTES, u64(sizeBytes)),
    ...(cookie === '' ? [] : [attribute(NBD_ATTR_BACKEND_IDENTIFIER, text(cookie))]),
  ]);

/** Frees `/dev/nbd<index>`, whoever served it. */
export const disconnect = (family: number, index: number): Buffer =>
  message(family, NBD_CMD_DISCONNECT, [attribute(NBD_ATTR_INDEX, u32(index))]);

export interface Reply {
  /** Set in an acknowledgement: 0, or a negative error number. */
  readonly result: number | undefined;
  /** Set in the controller's answer. */
  readonly family: number | undefined;
}

/** One datagram from the kernel, which may be several messages. */
export function readReplies(datagram: Buffer): readonly Reply[] {
  const replies: Reply[] = [];
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = Math.max(datagram.readUInt32LE(at), HEADER_BYTES);
    const type = datagram.readUInt16LE(at + 4);
    const body = datagram.subarray(at + HEADER_BYTES, at + length);
    if (type === NLMSG_ERROR) replies.push({ result: body.readInt32LE(0), family: undefined });
    else if (type === NETLINK_CONTROLLER) replies.push({ result: undefined, family: familyIn(body) });
    at += aligned(length);
  }
  return replies;
}

function familyIn(body: Buffer): number | undefined {
  for (let at = GENERIC_HEADER_BYTES; at + ATTRIBUTE_HEADER_BYTES <= body.length; ) {
    const length = Math.max(body.readUInt16LE(at), ATTRIBUTE_HEADER_BYTES);
    if (body.readUInt16LE(at + 2) === CTRL_ATTR_FAMILY_ID) return body.readUInt16LE(at + ATTRIBUTE_HEADER_BYTES);
    at += aligned(length);
  }
  return undefined;
}
