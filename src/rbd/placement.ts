/** In which placement group of its pool an object is: Ceph's rjenkins hash of its name, folded to their number. */

const START = 0x9e3779b9;
const BLOCK = 12;
/** Between the RADOS namespace and the name. */
const SEPARATOR = '\u001f';

/** @param namespace '' is the default one @param groups how many the pool has (`pg_num`) */
export function placementOf(name: string, namespace: string, groups: number): number {
  const hash = rjenkins(Buffer.from(namespace === '' ? name : `${namespace}${SEPARATOR}${name}`));
  // While their number is no power of two, those beyond it are still in the group that they will be split from.
  const mask = 2 ** Math.ceil(Math.log2(groups)) - 1;
  const seed = (hash & mask) >>> 0;
  return seed < groups ? seed : (hash & (mask >>> 1)) >>> 0;
}

/** `ceph_str_hash_rjenkins` of src/common/ceph_hash.cc. */
function rjenkins(key: Buffer): number {
  let state: Words = [START, START, 0];
  const whole = key.length - (key.length % BLOCK);
  for (let at = 0; at < whole; at += BLOCK) state = mixed(added(state, key.subarray(at, at + BLOCK)));
  const rest = key.subarray(whole);
  // The first byte of the last word has the length.
  const last = Buffer.alloc(BLOCK);
  rest.copy(last, 0, 0, 8);
  if (rest.length > 8) rest.copy(last, 9, 8);
  const [a, b, c] = added(state, last);
  return mixed([a, b, c + key.length])[2] >>> 0;
}

type Words = readonly [number, number, number];

const added = ([a, b, c]: Words, block: Buffer): Words => [
  a + block.readUInt32LE(0),
  b + block.readUInt32LE(4),
  c + block.readUInt32LE(8),
];

/** By how far each of the nine steps shifts; every second one of three to the left. */
const SHIFTS = [13, -8, 13, 12, -16, 5, 3, -10, 15];

function mixed(words: Words): Words {
  let [a, b, c] = words.map((one) => one | 0) as unknown as Words;
  for (const shift of SHIFTS) {
    a = (a - b - c) ^ (shift < 0 ? c << -shift : c >>> shift);
    [a, b, c] = [b, c, a | 0];
  }
  return [a, b, c];
}
