/**
 * What the page costs: a controller that watches very many volumes, with the page and without it; how long a list takes
 * the server, and a browser until it paints.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser } from '../test/browser/browser.js';
import { chromiumOrNone } from '../test/browser/chromium.js';
import { ApiServer } from '../test/kube/api-server.js';
import { persistentVolume, volumeAttachment } from '../test/kube/large-cluster.js';
import type { BenchCluster } from './bench-cluster.js';
import { figure, median, mib, ms, print } from './figures.js';
import { residentKiB } from './process-size.js';
import { logged, startWatched, type WatchedDriver } from './watched-driver.js';

const OURS = 'rbd.csi.berth.dev';
const NODES = 2_000;
const TOKEN = 'the-token-of-the-bench';
/** Nothing is old enough to be read in Ceph, where none of these volumes is. */
const SETTINGS = ['--leftover-age', '2000000000'];
const ROUNDS = 11;
/** As long as people look, with a change of the API each 100 ms, in ms. */
const LOOK_MS = 20_000;

/** @param sizes how many volumes, each with its attachment */
export async function pageCost(site: BenchCluster, sizes: readonly number[]): Promise<void> {
  const chromium = await chromiumOrNone();
  const tokenFile = path.join(site.directory, 'page-token');
  await writeFile(tokenFile, TOKEN);
  for (const count of sizes) {
    print(`\nThe page, ${count} volumes with their attachments (the flags of the image; API stand-in over HTTP)`);
    const without = await beside(site, count, [], rest);
    const page = ['--page-address', '127.0.0.1:0', '--page-token-file', tokenFile];
    const idle = await beside(site, count, page, rest);
    figure('resident, no page', mib(without.resident));
    figure('resident, with a page that nobody looks at', mib(idle.resident));
    const seen = await beside(site, count, page, async (at) => ({ ...(await look(at)), ...(await rest(at)) }));
    figure('resident, after people looked; highest', `${mib(seen.resident)}; ${mib(seen.peak)}`);
    figure('longest block meanwhile, processor time', ms(seen.block), { text: 'at most 50', met: seen.block <= 50 });
    figure('first list, made of the watches', ms(seen.first));
    figure('a list: median; by a filter; nothing new (304)', [seen.list, seen.filter, seen.same].map(ms).join('; '));
    figure('a list of 200 rows', `${(seen.bytes / 1024).toFixed(0)} KiB`);
    if (chromium === undefined) continue;
    const paints = await beside(site, count, page, async ({ origin }) => {
      const browser = await Browser.start(chromium, site.directory);
      try {
        return await painted(browser, origin);
      } finally {
        await browser.close();
      }
    });
    const [first = NaN, ...others] = paints;
    const goal = { text: 'at most 1000', met: first <= 1_000 };
    figure('Chromium, first paint: the first after a start', ms(first), goal);
    figure('  others: median; slowest', `${ms(median(others))}; ${ms(Math.max(...others))}`);
  }
}

interface At extends WatchedDriver {
  readonly server: ApiServer;
  readonly origin: string;
}

/** What `measure` says of a controller that has listed all. */
async function beside<T>(
  site: BenchCluster,
  count: number,
  page: readonly string[],
  measure: (at: At) => Promise<T>,
): Promise<T> {
  const server = new ApiServer();
  await server.start();
  const name = `page-${server.url.slice(-5)}`;
  fill(server, count);
  const { running, watched } = await startWatched(site, name, server, [...SETTINGS, ...page]);
  try {
    const log = await logged(running, 'attachments compared');
    const port = /"port":(\d+)/.exec(log)?.[1] ?? '0';
    await watched();
    return await measure({ running, server, origin: `http://127.0.0.1:${port}`, watched });
  } finally {
    running.client.close();
    await running.driver.stop();
    await server.stop();
  }
}

function fill(server: ApiServer, count: number): void {
  const handle = (index: number): string => `dev/hyper/full/berth-pvc-${String(index).padStart(36, '0')}`;
  const pv = (index: number) => persistentVolume(index, OURS, handle(index));
  const va = (index: number) => volumeAttachment(index, OURS, pv(index).metadata.name, `worker-${index % NODES}`);
  server.generated.set('/api/v1/persistentvolumes', { count, make: pv });
  server.generated.set('/apis/storage.k8s.io/v1/volumeattachments', { count, make: va });
}

async function rest({ running, watched }: At): Promise<{ readonly resident: number; readonly peak: number }> {
  await sleep(5_000);
  const { driver } = await residentKiB(running.driver.pid);
  return { resident: driver, peak: (await watched()).peak };
}

const headers = { authorization: `Bearer ${TOKEN}` };

async function timed(url: string, more: Readonly<Record<string, string>> = {}) {
  const begun = performance.now();
  const answer = await fetch(url, { headers: { ...headers, ...more } });
  const text = await answer.text();
  return { took: performance.now() - begun, etag: answer.headers.get('etag') ?? '', bytes: text.length };
}

/** Twenty browsers that are open, while the API changes; then single lists on an API that is quiet. */
async function look({ origin, server, watched }: At) {
  const first = await timed(origin);
  const end = performance.now() + LOOK_MS;
  const browser = async (index: number): Promise<void> => {
    let etag = '';
    while (performance.now() < end) {
      ({ etag } = await timed(`${origin}/rows?q=${index % 4 === 0 ? '' : `000${index}`}`, { 'if-none-match': etag }));
      await sleep(1_000);
    }
  };
  const change = async (): Promise<void> => {
    for (let index = 0; performance.now() < end; index += 1) {
      const one = volumeAttachment(index % 1_000, OURS, 'pv', `worker-${index % NODES}`);
      server.put('/apis/storage.k8s.io/v1/volumeattachments', one);
      await sleep(100);
    }
  };
  await Promise.all([...Array.from({ length: 20 }, (_, index) => browser(index)), change()]);
  const { longestBlock } = await watched();
  const repeated = async (address: string, more: Readonly<Record<string, string>> = {}): Promise<number> => {
    const all: number[] = [];
    for (let index = 0; index < ROUNDS; index += 1) all.push((await timed(address, more)).took);
    return median(all);
  };
  const { etag } = await timed(`${origin}/rows`);
  return {
    first: first.took,
    bytes: first.bytes,
    block: longestBlock,
    list: await repeated(origin),
    filter: await repeated(`${origin}/?q=worker-17+shop&state=attached`),
    same: await repeated(`${origin}/rows`, { 'if-none-match': etag }),
  };
}

/** From the begin of the navigation to the first paint of something, in ms; nothing is in the browser's cache. */
async function painted(browser: Browser, origin: string): Promise<readonly number[]> {
  const all: number[] = [];
  for (let index = 0; index < ROUNDS; index += 1) {
    const tab = await browser.open();
    await tab.ask('Network.setExtraHTTPHeaders', { headers });
    await tab.goTo(origin);
    const paint = `new Promise((resolve) => {
      const seen = () => performance.getEntriesByName('first-contentful-paint')[0];
      const look = () => (seen() === undefined ? setTimeout(look, 10) : resolve(seen().startTime));
      look();
    })`;
    all.push(Number(await tab.value(paint)));
    await tab.close();
  }
  return all;
}
