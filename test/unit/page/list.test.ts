/** The list of all volumes over HTTP: rows, filters, pages, what is stuck, and that nothing is read twice. */
import { describe, expect, it } from 'vitest';
import { PVCS, PVS } from '../../kube/api-fixture.js';
import { DRIVER } from '../../kube/attachment-fixture.js';
import { readQuery } from '../../../src/page/list/list-query.js';
import { listRows } from '../../../src/page/list/list-view.js';
import type { Listing } from '../../../src/page/list/volume-listing.js';
import { pageFixture, untilShown } from '../../page/page-fixture.js';

const NO_COUNTS = { stuck: 0, failing: 0, detaching: 0, attaching: 0, attached: 0, free: 0 };
const at = pageFixture();

/** More volumes, free ones. */
const put = (count: number, namespace = 'depot'): void => {
  for (let index = 0; index < count; index += 1) {
    const name = `data-${String(index).padStart(4, '0')}`;
    at.server.put(PVS, {
      metadata: { name: `pv-${namespace}-${name}` },
      spec: { csi: { driver: DRIVER, volumeHandle: `c1/rbd/berth-${name}` }, claimRef: { namespace, name } },
    });
  }
};
const claims = (text: string): string[] =>
  [...text.matchAll(/class="open" href="[^"]*">([^<]*)</g)].map(([, one]) => one!);

describe('the list', () => {
  it('shows claim, PersistentVolume, image, node and state of each volume', async () => {
    await at.serve();
    const text = await untilShown(at, '/', '1 volume<');
    expect(claims(text)).toEqual(['shop/data']);
    expect(text).toMatch(/class="state attached">attached<.*?shop\/data.*?pv-1.*?c1\/rbd\/berth-v.*?<td>a<\/td>/s);
  });

  it('filters by words, state, namespace and node, and says of how many', async () => {
    put(3);
    await at.serve();
    await untilShown(at, '/', '4 volumes');
    const shown = async (query: string) => claims(await (await at.get(`/?${query}`)).text());
    expect(await shown('q=BERTH-V+shop')).toEqual(['shop/data']);
    expect(await shown('q=berth-v+depot')).toEqual([]);
    expect(await shown('state=free')).toEqual(['depot/data-0000', 'depot/data-0001', 'depot/data-0002']);
    expect(await shown('namespace=shop')).toEqual(['shop/data']);
    expect(await shown('namespace=sho')).toEqual([]);
    expect(await shown('node=a')).toEqual(['shop/data']);
    expect(await (await at.get('/?node=b')).text()).toContain('0 of 4 volumes');
    expect(await (await at.get('/?state=nonsense&page=-3')).text()).toContain('4 volumes');
  });

  it('has pages of 200, the last one where a later one is asked for', async () => {
    put(450);
    await at.serve();
    const first = await untilShown(at, '/?state=free', '450 of 451 volumes, page 1 of 3');
    expect(claims(first)).toHaveLength(200);
    expect(first).toContain('rel="next" href="/?state=free&amp;page=2"');
    const last = await (await at.get('/?state=free&page=99')).text();
    expect(last).toContain('450 of 451 volumes, page 3 of 3');
    expect(claims(last)).toHaveLength(50);
    expect(last).not.toContain('rel="next"');
  });

  it('shows an attachment that is stuck first, with its reason, once it was compared', async () => {
    put(3);
    at.node('a', { ready: 'False', inUse: ['c1/rbd/berth-v'] });
    at.va({ deleting: true });
    await at.serve();
    await at.compare();
    const text = await untilShown(at, '/', 'stuck 1');
    expect(claims(text)[0]).toBe('shop/data');
    expect(text).toMatch(/class="why">.*?(StillMounted|NodeNotReady|ImageStillOpen): /s);
    expect(claims(await (await at.get('/?state=stuck')).text())).toEqual(['shop/data']);
  });

  it('shows what the attacher was told last, before anything counts as stuck', async () => {
    at.va({ attached: false });
    at.change('/apis/storage.k8s.io/v1/volumeattachments', 'va-a', {
      status: { attachError: { message: 'BERTH_X: no' } },
    });
    await at.serve();
    expect(await untilShown(at, '/', 'failing 1')).toContain('BERTH_X: no');
  });

  it('follows the API: what is new comes, what went goes', async () => {
    await at.serve();
    await untilShown(at, '/', '1 volume<');
    put(1);
    await untilShown(at, '/', '2 volumes');
    at.server.remove(PVS, 'pv-1');
    // Its attachment still names it.
    expect(claims(await untilShown(at, '/?q=pv-1', '>-</td><td>a<'))).toEqual(['pv-1']);
  });

  it('offers a claim that has no volume yet, where one looks for it by its name', async () => {
    at.server.remove(PVCS, 'data');
    await at.serve();
    expect(await untilShown(at, '/?q=shop%2Fnew', 'No volume fits')).toContain('href="/volume?claim=shop%2Fnew"');
  });

  it('escapes every name', async () => {
    const name = '<script>alert(1)</script>';
    at.server.put(PVS, {
      metadata: { name: 'pv-x' },
      spec: { csi: { driver: DRIVER, volumeHandle: `c1/rbd/"${name}'` }, claimRef: { namespace: 'shop', name } },
    });
    await at.serve();
    const text = await untilShown(at, `/?q=${encodeURIComponent('"><script>')}`, 'No volume fits');
    expect(text).toContain('value="&quot;&gt;&lt;script&gt;"');
    const all = await untilShown(at, '/', '2 volumes');
    expect(all).toContain('shop/&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(all.match(/<script/g)).toHaveLength(1);
  });
});

describe('the live part', () => {
  it('is the same rows alone, and 304 without a body while nothing has changed', async () => {
    await at.serve();
    await untilShown(at, '/', '1 volume<');
    const first = await at.get('/rows');
    const text = await first.text();
    expect(text).not.toContain('<html');
    expect(claims(text)).toEqual(['shop/data']);
    const etag = first.headers.get('etag')!;
    const again = await at.get('/rows', { 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    put(1);
    await untilShown(at, '/', '2 volumes');
    expect((await at.get('/rows', { 'if-none-match': etag })).status).toBe(200);
  });

  it('asks neither API nor Ceph for a look', async () => {
    await at.serve();
    await untilShown(at, '/', '1 volume<');
    const asked = at.server.asked.length;
    for (let index = 0; index < 20; index += 1) await (await at.get(`/?page=${index}`)).text();
    expect(at.server.asked.length).toBe(asked);
  });
});

it('says so where the API does not answer, and shows what it knows', () => {
  const listing: Listing = { id: 1, volumes: [], counts: NO_COUNTS, namespaces: [], nodes: [] };
  const selection = { rows: [], count: 0, page: 1, pages: 1 };
  const rows = (isFresh: boolean) =>
    listRows({ query: readQuery(new URLSearchParams()), listing, selection, isFresh }).text;
  expect(rows(false)).toContain('The Kubernetes API does not answer');
  expect(rows(true)).not.toContain('does not answer');
});
