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

export const bodyOf = async (request: http.IncomingMessage): Promise<string> =>
  (await bytesOf(request)).toString('utf8');

export async function bytesOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a path is about. */
export interface Place {
  readonly collection: string;
  readonly name: string | undefined;
  readonly plural: string;
  /** Empty for the core group. */
  readonly group: string;
}

/** What an authorizer is asked about. */
export interface Call {
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly plural: string;
  /** Undefined for a call about a collection. */
  readonly name: string | undefined;
}

export function placeOf(pathname: string): Place | undefined {
  const found = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)((?:\/namespaces\/[^/]+)?\/([^/]+))(?:\/([^/]+))?$/.exec(pathname);
  if (found === null) return undefined;
  const [, root = '', rest = '', plural = '', name] = found;
  const [, group = ''] = /^[/]apis[/]([^/]+)/.exec(root) ?? [];
  const decoded = name === undefined ? undefined : decodeURIComponent(name);
  return { collection: `${root}${rest}`, plural, group, name: decoded };
}

/** As RBAC names it. */
export function verbOf(method: string, place: Place, query: URLSearchParams): string {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return 'delete';
  if (place.name !== undefined) return 'get';
  return query.get('watch') === 'true' ? 'watch' : 'list';
}

/** Does an object match a `fieldSelector`? Only equality, of fields by their path. */
export function isSelected(object: unknown, selector: string): boolean {
  return selector.split(',').every((one) => {
    const [, field = '', not, wanted = ''] = /^([^!=]*)(!?)=(.*)$/.exec(one) ?? [];
    const value = valueAt(object, field.split('.'));
    return one === '' || ((typeof value === 'string' ? value : '') === wanted) === (not === '');
  });
}

const valueAt = (object: unknown, [key, ...rest]: readonly string[]): unknown =>
  key === undefined ? object : valueAt((object as Record<string, unknown> | undefined)?.[key], rest);

/** What a SelfSubjectAccessReview asks for, as `verb plural`. */
export function reviewedRight(body: string): string {
  const { spec } = JSON.parse(body) as {
    readonly spec: { readonly resourceAttributes: { readonly verb: string; readonly resource: string } };
  };
  return `${spec.resourceAttributes.verb} ${spec.resourceAttributes.resource}`;
}

/** What a Status says beside its code. */
export const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
};
