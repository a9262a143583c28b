/** How the stand-in answers: objects, refusals, lines of a watch. */
import type http from 'node:http';
import { REASONS } from './request.js';

/** One line of a watch. */
export const send = (
  response: http.ServerResponse,
  { type, object }: { readonly type: string; readonly object: unknown },
): void => void response.write(`${JSON.stringify({ type, object })}\n`);

export function json(response: http.ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** As every refusal of the API is answered. */
export const status = (response: http.ServerResponse, code: number, message: string, reason = REASONS[code]): void =>
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });

/** What a server says of itself; undefined for a path that is about objects. */
export function aboutServer(
  pathname: string,
  { version, groups }: { readonly version: string; readonly groups: ReadonlySet<string> },
): object | undefined {
  if (pathname === '/version') return { gitVersion: version };
  return groups.has(pathname.replace('/apis/', '')) ? { kind: 'APIResourceList', resources: [] } : undefined;
}

/** A page of objects that are made while they are listed. */
export function generatedPage(
  { count, make }: { readonly count: number; readonly make: (index: number) => unknown },
  { version, begin, limit }: { readonly version: string; readonly begin: number; readonly limit: number },
): object {
  const end = Math.min(begin + limit, count);
  const items = Array.from({ length: end - begin }, (_, index) => make(begin + index));
  const more = end < count ? { continue: `${version}|${end}` } : {};
  return { kind: 'List', metadata: { resourceVersion: version, ...more }, items };
}
