/**
 * What can be a cephx user and a cephx key: decided here, for librados says EINVAL to all of it, and aborts over a key
 * that is shorter than it says itself.
 */

/** The only type of key that every release knows (CEPH_CRYPTO_AES). */
const AES = 1;
const TYPES: Readonly<Record<number, string>> = { 0: 'none', 1: 'aes', 2: 'aes256k' };
/** u16 type, u32 and u32 of time, u16 length; then so many bytes of secret (src/auth/Crypto.cc). */
const HEADER_BYTES = 12;
const LENGTH_AT = 10;

/** Why this can be no key, without a letter of it; undefined where it can be one. */
export function whyNotKey(key: string): string | undefined {
  if (key === '') return 'it is empty';
  if (/["']/.test(key)) return 'it has quotes in it';
  if (/\s/.test(key)) return 'it has a blank or a line break in it';
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return 'it has letters in it that base64 does not have';
  if (key.length % 4 !== 0) return 'it has been cut: its length is no multiple of four (is the padding "=" missing?)';
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length <= HEADER_BYTES || bytes.readUInt16LE(LENGTH_AT) !== bytes.length - HEADER_BYTES)
    return 'it is base64, and not of a cephx key';
  return undefined;
}

/**
 * `type 2 (aes256k)` of a key that older clients do not know; undefined for one that all know. Whether this machine's
 * librados and kernel know it is theirs to say.
 */
export function newKeyType(key: string): string | undefined {
  const type = typeOf(key);
  return type === AES ? undefined : `type ${type} (${TYPES[type] ?? 'unknown'})`;
}

/** Is it of a type that no release has which we know of? A client that lets it pass is refused by the cluster. */
export const isUnknownKeyType = (key: string): boolean => TYPES[typeOf(key)] === undefined;

function typeOf(key: string): number {
  const bytes = Buffer.from(key, 'base64');
  return bytes.length < 2 ? AES : bytes.readUInt16LE(0);
}

/** Who knows a key of type 2, and what to do where somebody does not (CVE-2025-30156; Ceph's release notes). */
export const NEW_KEY_NEEDS =
  'Ceph 19.2.6, 20.2.4 and newer know it, and Linux 7.0; docs/ceph-users.md says how to make a key of type aes';

/** Why this can be no user's name (what follows `client.`); undefined where it can. */
export function whyNotUser(user: string): string | undefined {
  if (user === '') return 'it is empty';
  if (user.startsWith('client.')) return 'it is written without "client."';
  if (/\s/.test(user)) return 'it has a blank or a line break in it';
  if (/["']/.test(user)) return 'it has quotes in it';
  return /^[^-,=\\][^,=\\]*$/.test(user) ? undefined : 'it has letters in it that no user has';
}
