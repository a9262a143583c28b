/** The volumes that a query asks for, a page of them. */
import { eachInSlices } from '../../diagnosis/volumes/in-slices.js';
import type { WatchedVolume } from '../../diagnosis/volumes/watched-volumes.js';
import type { ListQuery } from './list-query.js';

/** Rows of a page: some 100 KB. */
export const PAGE_ROWS = 200;

export interface Selection {
  readonly rows: readonly WatchedVolume[];
  /** How many fit, on all pages together. */
  readonly count: number;
  /** From 1; the last one where a later one was asked for. */
  readonly page: number;
  readonly pages: number;
}

/** Others have their turn meanwhile. */
export async function selectVolumes(volumes: readonly WatchedVolume[], query: ListQuery): Promise<Selection> {
  const fits = predicateOf(query);
  let found = volumes;
  if (fits !== undefined) {
    const those: WatchedVolume[] = [];
    await eachInSlices(volumes, (one) => {
      if (fits(one)) those.push(one);
    });
    found = those;
  }
  const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
  const page = Math.min(query.page, pages);
  const from = (page - 1) * PAGE_ROWS;
  return { rows: found.slice(from, from + PAGE_ROWS), count: found.length, page, pages };
}

/** Undefined where everything fits. */
function predicateOf({ search, state, namespace, node }: ListQuery): ((one: WatchedVolume) => boolean) | undefined {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && state === undefined && namespace === '' && node === '') return undefined;
  const prefix = `${namespace}/`;
  return (one) =>
    (state === undefined || one.state === state) &&
    (namespace === '' || one.claim?.startsWith(prefix) === true) &&
    (node === '' || one.nodes.includes(node)) &&
    words.every((word) => isIn(one, word));
}

/** Names of Kubernetes are in lower case, those of pools and images as somebody chose. */
const isIn = ({ claim, pv, volume, nodes, reason }: WatchedVolume, word: string): boolean =>
  claim?.includes(word) === true ||
  pv?.includes(word) === true ||
  volume?.toLowerCase().includes(word) === true ||
  nodes.some((node) => node.includes(word)) ||
  reason?.toLowerCase().includes(word) === true;
