/** What the stand-in reads of a request: its body, and how a merge patch changes an object. */
import type http from 'node:http';

/** JSON merge patch (RFC 7386). */
export function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = merged(result[key], value);
  }
  return result;
}

export async function bodyOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** What a path is about. */
export interface Place {
  readonly collection: string;
  readonly name: string | undefined;
  readonly plural: string;
}

export function placeOf(pathname: string): Place | undefined {
  const found = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)((?:\/namespaces\/[^/]+)?\/([^/]+))(?:\/([^/]+))?$/.exec(pathname);
  if (found === null) return undefined;
  const [, root = '', rest = '', plural = '', name] = found;
  return { collection: `${root}${rest}`, plural, name: name === undefined ? undefined : decodeURIComponent(name) };
}

/** As RBAC names it. */
export function verbOf(method: string, place: Place, query: URLSearchParams): string {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return 'delete';
  if (place.name !== undefined) return 'get';
  return query.get('watch') === 'true' ? 'watch' : 'list';
}
