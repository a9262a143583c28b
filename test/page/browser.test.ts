/** The page in a real browser: with and without its script, by keyboard, by night; what is stuck; who is kept out. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser, type Tab } from '../browser/browser.js';
import { chromiumOrNone } from '../browser/chromium.js';
import { PVS } from '../kube/api-fixture.js';
import { DRIVER } from '../kube/attachment-fixture.js';
import { pageFixture, TOKEN, untilShown } from './page-fixture.js';

const chromium = await chromiumOrNone();
const at = pageFixture();
let browser: Browser | undefined;
let tab: Tab;

beforeAll(async () => {
  if (chromium !== undefined) browser = await Browser.start(chromium);
});
afterAll(() => browser?.close());
/** By the form, as a person does it. */
async function logIn(): Promise<void> {
  await tab.goTo(at.origin);
  await expect.poll(() => tab.value('document.activeElement.name')).toBe('token');
  await tab.type(TOKEN);
  await tab.loads(() => tab.press('Enter'));
}
const claims = (): Promise<unknown> =>
  tab.value(`[...document.querySelectorAll('a.open')].map((one) => one.textContent)`);
const focused = (): Promise<unknown> => tab.value('document.activeElement.textContent');

describe.skipIf(chromium === undefined)('the page in a browser', () => {
  beforeEach(async () => {
    at.node('a', { ready: 'False' });
    at.va({ deleting: true });
    for (const name of ['cache', 'queue'])
      at.server.put(PVS, {
        metadata: { name: `pv-${name}` },
        spec: { csi: { driver: DRIVER, volumeHandle: `c1/rbd/${name}` }, claimRef: { namespace: 'depot', name } },
      });
    await at.serve();
    await at.compare();
    await untilShown(at, '/', '3 volumes');
    tab = await browser!.open();
  });
  afterEach(() => tab.close());

  it('shows a form and nothing else, then the volumes, and breaks none of its own policies', async () => {
    await tab.goTo(at.origin);
    expect(await tab.text()).not.toMatch(/shop|pv-1/);
    tab.complaints.splice(0);
    await logIn();
    expect(await claims()).toEqual(['shop/data', 'depot/cache', 'depot/queue']);
    expect(await tab.value('document.cookie')).toBe('');
    await tab.loads(() => tab.value(`document.querySelector('a.open').click()`));
    expect(await tab.value('location.search')).toBe('?pv=pv-1');
    expect(await tab.text()).toContain('image open at: ImageStillOpen');
    // The first look, without the token, was answered by 401.
    expect(tab.complaints.filter((one) => !one.includes('401'))).toEqual([]);
    expect(tab.asked.every((url) => url.startsWith(at.origin))).toBe(true);
  });

  it('shows what is stuck first, and marks the broken link of its chain', async () => {
    await logIn();
    expect(await tab.text()).toMatch(/stuck 1[^]*stuck\s+shop\/data[^]*ImageStillOpen: /);
    await tab.loads(() => tab.press('j').then(() => tab.press('Enter')));
    const box = `document.querySelector('.chain .box.first')`;
    expect(await tab.value(`${box}.querySelector('title').textContent`)).toMatch(
      /^Holder and watchers\n✕ broken: ImageStillOpen/,
    );
    const seen = await tab.value(
      `(() => { const { width, height } = ${box}.getBoundingClientRect(); return width * height; })()`,
    );
    expect(seen).toBeGreaterThan(1_000);
    await tab.loads(() => tab.value(`document.querySelector('.breaks a').click()`));
    expect(await tab.value('location.pathname + location.hash')).toBe('/docs/runbook#a-volumeattachment-does-not-go');
    expect(await tab.value(`document.querySelector(':target').textContent`)).toBe('A VolumeAttachment does not go');
  });

  it('is filtered and moved through by keys', async () => {
    await logIn();
    await tab.press('/');
    await tab.type('depot');
    await tab.loads(() => tab.press('Enter'));
    expect(await claims()).toEqual(['depot/cache', 'depot/queue']);
    await tab.press('j');
    await tab.press('j');
    expect(await focused()).toBe('depot/queue');
    await tab.press('k');
    expect(await focused()).toBe('depot/cache');
    await tab.loads(() => tab.press('Enter'));
    expect(await tab.value(`document.querySelector('h1').textContent`)).toBe('depot/cache');
    await tab.loads(() => tab.press('u'));
    const choose = `{
      const one = document.querySelector('select');
      one.value = 'free';
      one.dispatchEvent(new Event('change'));
    }`;
    await tab.loads(() => tab.value(choose));
    expect(await tab.value('new URLSearchParams(location.search).get("state")')).toBe('free');
    expect(await claims()).toEqual(['depot/cache', 'depot/queue']);
  });

  it('is kept up to date by itself, keeps the focus, and asks nothing while nobody looks', async () => {
    const source = `let hidden = false; Object.defineProperty(document, 'hidden', { get: () => hidden });
      window.hide = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };`;
    await tab.ask('Page.addScriptToEvaluateOnNewDocument', { source });
    await logIn();
    await tab.press('j');
    await tab.press('j');
    expect(await focused()).toBe('depot/cache');
    at.server.remove(PVS, 'pv-queue');
    await expect.poll(claims).toEqual(['shop/data', 'depot/cache']);
    expect(await focused()).toBe('depot/cache');
    expect(await tab.value('hide(true)')).toBeUndefined();
    at.server.remove(PVS, 'pv-cache');
    await untilShown(at, '/', '1 volume<');
    const asked = tab.asked.length;
    expect(await claims()).toEqual(['shop/data', 'depot/cache']);
    await tab.value('hide(false)');
    await expect.poll(claims).toEqual(['shop/data']);
    expect(tab.asked.length).toBe(asked + 1);
  });

  it('works without its script', async () => {
    await tab.ask('Emulation.setScriptExecutionDisabled', { value: true });
    await logIn();
    await tab.loads(() => tab.ask('Page.navigate', { url: `${at.origin}/?q=queue` }));
    expect(await claims()).toEqual(['depot/queue']);
    expect(await tab.value(`document.querySelector('noscript meta').content`)).toBe('30');
  });

  it('runs no script that a name brings', async () => {
    const name = '<img src=x onerror=alert(1)><script>document.title = "taken"</script>';
    at.server.put(PVS, {
      metadata: { name: 'pv-x' },
      spec: { csi: { driver: DRIVER, volumeHandle: `c1/rbd/${name}` }, claimRef: { namespace: 'depot', name } },
    });
    await untilShown(at, '/', '4 volumes');
    await logIn();
    expect(await claims()).toContain(`depot/${name}`);
    expect(await tab.value('document.title')).toBe('Volumes - Berth');
    expect(await tab.value(`document.querySelectorAll('main img, main script').length`)).toBe(0);
  });

  it.each(['light', 'dark'] as const)(
    'can be read where the browser is %s: every text has a contrast of 4.5',
    async (scheme) => {
      await tab.prefer(scheme);
      await logIn();
      const ground = () => tab.value('getComputedStyle(document.body).backgroundColor');
      expect(await ground()).toBe(scheme === 'dark' ? 'rgb(20, 24, 29)' : 'rgb(255, 255, 255)');
      expect(await tab.value(LOW_CONTRAST)).toEqual([]);
      await tab.goTo(`${at.origin}/volume?pv=pv-1`);
      expect(await tab.value(LOW_CONTRAST)).toEqual([]);
    },
  );
});

/** Texts whose colour is too near to what is behind them, as WCAG 2.1 measures it. */
const LOW_CONTRAST = `(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const light = (text) => {
    const [r, g, b] = parts(text).slice(0, 3).map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (let at = one; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (parts(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
  const shown = [...document.querySelectorAll('body *')].filter((one) => one.getClientRects().length > 0);
  return shown.filter((one) => !(one instanceof SVGElement) && hasText(one)).flatMap((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return ratio < 4.5 ? [one.tagName + '.' + one.className + ' ' + ratio.toFixed(1)] : [];
  });
})()`;
