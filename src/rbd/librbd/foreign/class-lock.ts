/**
 * The advisory locks of an image as class lock keeps them at its header (cls_lock_ops.h, cls_lock_types.h): read in the
 * same operation as the rest of it.
 */
import type { ImageLock } from '../../port.js';
import { Decoder, Encoder } from './ceph-encoding.js';

/** RBD_LOCK_NAME: the one lock of an image that librbd, the kernel and `rbd lock` know. */
const NAME = 'rbd_lock';
/** What librbd (ManagedLock) and the kernel (RBD_LOCK_TAG, RBD_LOCK_COOKIE_PREFIX) call the locks that they take. */
const OWN_TAG = 'internal';
const OWN_ID = /^auto \d+$/;
/** CEPH_ENTITY_TYPE_CLIENT; nothing else locks images. */
const CLIENT = 8;
const AF_INET = 2;
const AF_INET6 = 10;

/** Answers for an image without any lock, too. */
export const LOCKS = {
  cls: 'lock',
  method: 'get_info',
  input: new Encoder().versioned(new Encoder().bytes(NAME)).end(),
};

/** Without those that Ceph's clients take by themselves. */
export function locksIn(answer: Buffer): readonly ImageLock[] {
  const reply = new Decoder(answer).versioned();
  const locks: ImageLock[] = [];
  for (let left = reply.u32(); left > 0; left--) {
    const owner = reply.versioned();
    const [type, number] = [owner.u8(), owner.u64()];
    const id = owner.text();
    const address = addressIn(reply.versioned());
    locks.push({ id, locker: `${type === CLIENT ? 'client' : `entity ${type}`}.${number}`, address });
  }
  // Whether it is exclusive or shared: either keeps a writer away.
  reply.u8();
  const isOwn = reply.text() === OWN_TAG;
  return locks.filter(({ id }) => !(isOwn && OWN_ID.test(id)));
}

/** Of a locker_info_t, which begins with the time when the lock expires. */
function addressIn(info: Decoder): string {
  info.u64();
  // Without the feature ADDR2, which every client since 14 has, it would be written otherwise.
  if (info.u8() !== 1) return 'an unknown address';
  const address = info.versioned();
  address.u32();
  const nonce = address.u32();
  const socket = address.bytes();
  if (socket.length < 8) return 'an unknown address';
  const family = socket.readUInt16LE(0);
  const port = socket.readUInt16BE(2);
  if (family === AF_INET) return `${socket.subarray(4, 8).join('.')}:${port}/${nonce}`;
  if (family !== AF_INET6 || socket.length < 24) return 'an unknown address';
  const groups = Array.from({ length: 8 }, (_, n) => socket.readUInt16BE(8 + 2 * n).toString(16));
  return `[${shortened(groups.join(':'))}]:${port}/${nonce}`;
}

/** As Ceph writes it: the longest run of zeros is left out (inet_ntop). */
function shortened(address: string): string {
  const runs = [...address.matchAll(/\b0(?::0)+\b/g)].sort((a, b) => b[0].length - a[0].length);
  const [run] = runs;
  if (run === undefined) return address;
  const [before, after] = [address.slice(0, run.index), address.slice(run.index + run[0].length)];
  return `${before.replace(/:$/, '')}::${after.replace(/^:/, '')}`;
}
