/** An answer of the page before it goes over the wire: status, headers, body. */
import { createHash } from 'node:crypto';
import type { Html } from './html/html.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

const HTML = 'text/html; charset=utf-8';

/**
 * What may change: a browser keeps no copy that it would show without asking, and is told where nothing has changed.
 * @param known the request's If-None-Match
 */
export function shown(page: Html, known: string | undefined): Answer {
  const etag = `"${createHash('sha256').update(page.text).digest('base64url').slice(0, 22)}"`;
  const headers = { 'content-type': HTML, 'cache-control': 'no-store', etag };
  return known === etag ? { status: 304, headers, body: '' } : { status: 200, headers, body: page.text };
}

/** @param more headers beside those of every page */
export const told = (status: number, page: Html, more: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { 'content-type': HTML, 'cache-control': 'no-store', ...more },
  body: page.text,
});

/** To another page, by a GET. */
export const goTo = (location: string, cookie?: string): Answer => ({
  status: 303,
  headers: { location, 'cache-control': 'no-store', ...(cookie === undefined ? {} : { 'set-cookie': cookie }) },
  body: '',
});
