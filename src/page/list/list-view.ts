/** The list of volumes as HTML: filters that a browser sends by itself, and the part that is read anew. */
import { WATCHED_STATES, type WatchedState, type WatchedVolume } from '../../diagnosis/volumes/watched-volumes.js';
import { html, type Html } from '../html/html.js';
import { addressOfVolume } from '../volume/volume-address.js';
import { addressOf, type ListQuery } from './list-query.js';
import type { Listing } from './volume-listing.js';
import type { Selection } from './select-volumes.js';

/** Names that a field suggests: a browser shows few, and all of them would be most of the page. */
const SUGGESTED = 300;
/** How often the live part is read anew, in ms. */
const EVERY_MS = 5_000;

/** @param rows of {@link listRows} */
export const listView = (query: ListQuery, { namespaces, nodes }: Listing, rows: Html): Html => html`
<form id="filters" method="get" action="/" role="search">
<label>Search <input id="search" type="search" name="q" value="${query.search}" maxlength="253" size="30"></label>
<label>State <select name="state"><option value="">all</option>${WATCHED_STATES.map(
  (state) => html`<option${state === query.state ? html` selected` : ''}>${state}</option>`,
)}</select></label>
${suggesting('namespace', 'Namespace', query.namespace, namespaces)}
${suggesting('node', 'Node', query.node, nodes)}
<button>Show</button> <a href="/">all</a>
</form>
<main id="live" data-from="${addressOf('/rows', query)}" data-every="${EVERY_MS}">
${rows}
</main>`;

const suggesting = (name: string, label: string, value: string, all: readonly string[]): Html => html`
<label>${label}
<input name="${name}" value="${value}" list="${name}s" maxlength="253" size="16" autocomplete="off"></label>
<datalist id="${name}s">${all.slice(0, SUGGESTED).map((one) => html`<option value="${one}">`)}</datalist>`;

export interface Rows {
  readonly query: ListQuery;
  readonly listing: Listing;
  readonly selection: Selection;
  /** False where the API does not answer. */
  readonly isFresh: boolean;
}

const OLD = 'The Kubernetes API does not answer, or was not read yet: this may be old, or not all.';

/** What is read anew: how many there are, and a page of those that were asked for. */
export const listRows = ({ query, listing, selection, isFresh }: Rows): Html => html`
${isFresh ? '' : html`<p class="bad" role="alert">${OLD}</p>`}
<p class="counts">${WATCHED_STATES.map((state) => countOf(state, listing.counts[state], query))}</p>
<h1>${told(selection, listing.volumes.length)}</h1>
${selection.rows.length === 0 ? nothing(query) : table(selection.rows)}
${pager(query, selection)}`;

function told({ count, page, pages }: Selection, all: number): string {
  const volumes = all === 1 ? 'volume' : 'volumes';
  const whole = count === all ? `${count} ${volumes}` : `${count} of ${all} ${volumes}`;
  return pages === 1 ? whole : `${whole}, page ${page} of ${pages}`;
}

function countOf(state: WatchedState, count: number, query: ListQuery): Html {
  const address = addressOf('/', { ...query, state, page: 1 });
  return html`<a class="state ${count === 0 ? 'nobody' : state}" href="${address}">${state} ${count}</a> `;
}

const table = (rows: readonly WatchedVolume[]): Html => html`<table>
<thead><tr><th scope="col">State</th><th scope="col">Claim</th><th scope="col">PersistentVolume</th>
<th scope="col">Image</th><th scope="col">Node</th></tr></thead>
<tbody>${rows.map(row)}</tbody>
</table>`;

function row(one: WatchedVolume): Html {
  const { claim, pv, volume, nodes, state, reason, says } = one;
  const name = claim ?? pv ?? volume ?? '';
  const why =
    says === ''
      ? ''
      : html`<tr class="why"><td></td><td colspan="4">${reason === undefined ? '' : `${reason}: `}${says}</td></tr>`;
  return html`<tr><td><span class="state ${state}">${state}</span></td>
<td><a class="open" href="${addressOfVolume(one)}">${name}</a></td>
<td>${pv ?? '-'}</td><td>${volume ?? '-'}</td><td>${nodes.length === 0 ? '-' : nodes.join(', ')}</td></tr>${why}`;
}

/** A claim that has no volume yet is no volume, and can be looked at all the same. */
function nothing({ search }: ListQuery): Html {
  const isClaim = /^[a-z0-9.-]+\/[a-z0-9.-]+$/.test(search);
  const address = `/volume?${new URLSearchParams({ claim: search }).toString()}`;
  const claim = isClaim ? html` <a class="open" href="${address}">Look at claim ${search}</a>` : '';
  return html`<p>No volume fits.${claim}</p>`;
}

function pager(query: ListQuery, { page, pages }: Selection): Html {
  if (pages === 1) return html``;
  const to = (number: number, rel: string, text: string): Html =>
    html`<a rel="${rel}" href="${addressOf('/', { ...query, page: number })}">${text}</a> `;
  return html`<nav class="pages">${page > 1 ? to(page - 1, 'prev', 'previous page') : ''}${
    page < pages ? to(page + 1, 'next', 'next page') : ''
  }</nav>`;
}
