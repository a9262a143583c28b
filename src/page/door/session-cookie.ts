/**
 * The cookie of a browser that has shown the token: when it ends, sealed with the token. Any controller of the same
 * token knows it, none has to remember it, and a new token ends it.
 */
import { createHmac } from 'node:crypto';
import type { Secret } from '../../model/secret.js';
import { isSame } from './page-token.js';

/** How long a browser stays logged in, in s. */
const LASTS_S = 12 * 3_600;

/** Only over TLS a browser keeps the promise of the prefix. */
const nameOf = (isTls: boolean): string => (isTls ? '__Host-berth' : 'berth');

/** The value of Set-Cookie. @param now in ms since 1970 */
export function sessionCookie(token: Secret, isTls: boolean, now: number): string {
  const ends = Math.floor(now / 1000) + LASTS_S;
  return cookie(isTls, `${ends}.${seal(token, ends)}`, LASTS_S);
}

/** The value of Set-Cookie that ends it. */
export const noSession = (isTls: boolean): string => cookie(isTls, '', 0);

const cookie = (isTls: boolean, value: string, lasts: number): string =>
  `${nameOf(isTls)}=${value}; Path=/; Max-Age=${lasts}; HttpOnly; SameSite=Strict${isTls ? '; Secure' : ''}`;

/** @param header the request's Cookie */
export function isSession(header: string | undefined, token: Secret, isTls: boolean, now: number): boolean {
  const prefix = `${nameOf(isTls)}=`;
  const values = (header ?? '').split(';').map((one) => one.trim());
  return values.some((one) => {
    const [, ends = '', sealed = ''] = /^(\d{1,12})\.([\w-]{43})$/.exec(one.slice(prefix.length)) ?? [];
    if (!one.startsWith(prefix) || ends === '' || Number(ends) * 1000 <= now) return false;
    return isSame(sealed, seal(token, Number(ends)));
  });
}

const seal = (token: Secret, ends: number): string =>
  createHmac('sha256', token.reveal()).update(`berth page until ${ends}`).digest('base64url');
