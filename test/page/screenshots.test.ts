/**
 * Pictures of the page for docs/page.md, from a small cluster with one volume that is stuck on a node that died.
 * `npm run page:screenshots` writes them anew; without that they are made beside, and looked at for their size.
 */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, type Tab } from '../browser/browser.js';
import { chromiumOrNone } from '../browser/chromium.js';
import { PVS, VAS } from '../kube/api-fixture.js';
import { DRIVER, FINALIZER, OLD } from '../kube/attachment-fixture.js';
import { pageFixture, TOKEN, untilShown } from './page-fixture.js';

const chromium = await chromiumOrNone();
const at = pageFixture();
let browser: Browser | undefined;
beforeAll(async () => {
  if (chromium !== undefined) browser = await Browser.start(chromium);
});
afterAll(() => browser?.close());

/** Claims, and the node of each that is attached. */
const OTHERS = [
  ['billing/postgres-0', 'worker-2'],
  ['billing/postgres-1', 'worker-3'],
  ['ci/cache-runner-7', undefined],
  ['mail/spool-0', 'worker-1'],
  ['monitoring/prometheus-0', 'worker-1'],
  ['shop/cart-redis-0', 'worker-2'],
  ['shop/search-0', 'worker-3'],
  ['shop/search-1', 'worker-4'],
  ['wiki/files', 'worker-2'],
] as const;

function populate(): void {
  OTHERS.forEach(([claim, node], index) => {
    const [namespace = '', name = ''] = claim.split('/');
    const pv = `pvc-${(0x5e1f7a3c + index * 7_777_777).toString(16)}`;
    at.server.put(PVS, {
      metadata: { name: pv },
      spec: { csi: { driver: DRIVER, volumeHandle: `c1/rbd/berth-${pv}` }, claimRef: { namespace, name } },
    });
    if (node === undefined) return;
    at.server.put(VAS, {
      metadata: { name: `csi-${pv}`, finalizers: [FINALIZER], creationTimestamp: new Date().toISOString() },
      spec: { attacher: DRIVER, nodeName: node, source: { persistentVolumeName: pv } },
      status: { attached: name !== 'search-1' },
    });
  });
  at.node('a', { ready: 'False', inUse: ['c1/rbd/berth-v'] });
  at.va({ deleting: true });
  at.pod({ metadata: { deletionTimestamp: OLD } });
}

const directory = process.env['BERTH_SCREENSHOTS'];
const WIDTH = 1_100;

describe.skipIf(chromium === undefined)('pictures of the page', () => {
  it('have less than 150 KB each', async () => {
    populate();
    await at.serve();
    await at.compare();
    await untilShown(at, '/', 'stuck 1');
    const tab = await browser!.open();
    const target = directory ?? at.directory;
    await mkdir(target, { recursive: true });
    const take = async (name: string, height: number): Promise<void> => {
      const file = path.join(target, name);
      // The same picture whenever it is taken.
      await tab.value(`document.getElementById('age').textContent = ''`);
      await tab.picture(file, WIDTH, height);
      expect((await stat(file)).size).toBeGreaterThan(10_000);
      expect((await stat(file)).size).toBeLessThan(150_000);
    };
    await logIn(tab);
    await take('page-list.png', 640);
    await tab.prefer('dark');
    await tab.goTo(`${at.origin}/volume?pv=pv-1`);
    await take('page-volume.png', 760);
    await tab.close();
  });
});

async function logIn(tab: Tab): Promise<void> {
  await tab.goTo(at.origin);
  await expect.poll(() => tab.value('document.activeElement.name')).toBe('token');
  await tab.type(TOKEN);
  await tab.loads(() => tab.press('Enter'));
}
