/** Which volumes a list shows, as its address says it: `/?q=db&state=stuck&namespace=shop&node=worker-7&page=2`. */
import { WATCHED_STATES, type WatchedState } from '../../diagnosis/volumes/watched-volumes.js';

export interface ListQuery {
  /** Every word of it stands in a name of the volume. */
  readonly search: string;
  /** Undefined for all. */
  readonly state: WatchedState | undefined;
  /** '' for all. */
  readonly namespace: string;
  readonly node: string;
  /** From 1. */
  readonly page: number;
}

/** What Kubernetes allows a name, and more than anybody types. */
const LONGEST = 253;

/** What cannot be is left out: an address that somebody edited shows too much rather than an error. */
export function readQuery(query: URLSearchParams): ListQuery {
  const text = (name: string): string => (query.get(name) ?? '').trim().slice(0, LONGEST);
  const page = Number(query.get('page'));
  return {
    search: text('q'),
    state: WATCHED_STATES.find((one) => one === query.get('state')),
    namespace: text('namespace'),
    node: text('node'),
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  };
}

/** The address of a list, without what is not asked. @param path `/`, or where its live part is */
export function addressOf(path: string, { search, state, namespace, node, page }: ListQuery): string {
  const asked = new URLSearchParams();
  if (search !== '') asked.set('q', search);
  if (state !== undefined) asked.set('state', state);
  if (namespace !== '') asked.set('namespace', namespace);
  if (node !== '') asked.set('node', node);
  if (page > 1) asked.set('page', String(page));
  const text = asked.toString();
  return text === '' ? path : `${path}?${text}`;
}
