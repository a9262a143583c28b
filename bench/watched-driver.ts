/** A controller as the image starts it, beside the API's stand-in, that tells how it weighs and blocks. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../src/model/package-root.js';
import type { ApiServer } from '../test/kube/api-server.js';
import type { BenchCluster, Running } from './bench-cluster.js';
import type { Watched } from './watched.js';

/** As the Dockerfile has them. */
const FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=96'];

export interface WatchedDriver {
  readonly running: Running;
  /** Since the last time it was asked. */
  readonly watched: () => Promise<Watched>;
}

/** @param more options of the driver */
export async function startWatched(
  site: BenchCluster,
  name: string,
  server: ApiServer,
  more: readonly string[],
): Promise<WatchedDriver> {
  const kubeconfig = path.join(site.directory, `${name}.kubeconfig`);
  const watchFile = path.join(site.directory, `${name}.watch`);
  await writeFile(kubeconfig, kubeconfigOf(server.url));
  const preload = pathToFileURL(path.join(packageRoot(), 'dist/bench/watched.js')).href;
  const env = [`NODE_OPTIONS=${[...FLAGS, `--import=${preload}`].join(' ')}`, `BERTH_BENCH_WATCH=${watchFile}`];
  const options = ['--kubernetes', kubeconfig, ...more];
  const running = await site.startDriver(name, { options, within: ['env', ...env] });
  const watched = async (): Promise<Watched> => {
    await rm(watchFile, { force: true });
    process.kill(running.driver.pid, 'SIGUSR2');
    for (;;) {
      const text = await readFile(watchFile, 'utf8').catch(() => '');
      if (text.endsWith('}')) return JSON.parse(text) as Watched;
      await sleep(20);
    }
  };
  return { running, watched };
}

/** The log as soon as `text` is in it; the driver's death where it ends before. */
export async function logged({ logFile, driver }: Running, text: string): Promise<string> {
  for (;;) {
    const log = await readFile(logFile, 'utf8');
    if (log.includes(text)) return log;
    if ((await Promise.race([driver.ended, sleep(250)])) !== undefined) throw await driver.death();
  }
}

const kubeconfigOf = (server: string): string =>
  JSON.stringify({
    'current-context': 'bench',
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    clusters: [{ name: 'bench', cluster: { server } }],
    users: [{ name: 'bench', user: { token: 'none' } }],
  });
