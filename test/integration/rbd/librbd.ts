/**
 * librbd for tests: the compiled worker (Node 20 cannot fork TypeScript), and another client that writes, snapshots and
 * watches.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createLog } from '../../../src/observe/log.js';
import { imageSpec } from '../../../src/model/volume-id.js';
import type { ImageRef } from '../../../src/rbd/port.js';
import { createLibrbd } from '../../../src/rbd/librbd/driver/librbd.js';
import type { Librbd, LibrbdOptions } from '../../../src/rbd/librbd/driver/librbd.js';
import { keyringOf, layoutOf } from '../../../src/dev/ceph/layout.js';
import { accessAs, admin, cluster, isolatedNamespace } from '../ceph.js';
import { soon } from './port.contract.js';
import type { PortFixture, Half } from './port.contract.js';

/** `npm run test:integration` builds it first. */
export const WORKER = path.resolve('dist/src/rbd/librbd/worker/worker.js');

export const startLibrbd = (options: Partial<LibrbdOptions> = {}): Librbd =>
  createLibrbd({ log: createLog('silent'), workerPath: WORKER, ...options });

const where = ({ pool, namespace, image }: ImageRef): string[] => [
  '--pool',
  pool,
  '--namespace',
  namespace,
  '--image',
  image,
];

/** `rbd watch`: a client of its own that holds a watch as a mapped image would. */
export async function watch(at: ImageRef): Promise<{ address: string; stop(): Promise<void> }> {
  const layout = layoutOf(cluster().clusterDirectory);
  const identity = ['-c', layout.conf, '--id', 'admin', '--keyring', keyringOf(layout, 'client.admin')];
  const child = spawn('rbd', [...identity, 'watch', ...where(at)], { stdio: ['pipe', 'ignore', 'ignore'] });
  const gone = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.stdin.end('\n');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(timer);
  };
  try {
    for (const deadline = soon(15_000); !deadline.expired; ) {
      const text = await admin().rbd(['status', ...where(at), '--format', 'json'], soon());
      const [watcher] = (JSON.parse(text) as { watchers: { address: string }[] }).watchers;
      if (watcher !== undefined) return { address: watcher.address, stop };
    }
    throw new Error('rbd watch did not begin to watch');
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `rbd lock add`; the answer breaks that lock. */
export async function lock(at: ImageRef, id: string): Promise<() => Promise<void>> {
  const image = imageSpec(at);
  const rbd = (...args: string[]): Promise<string> => admin().rbd(['lock', ...args], soon());
  await rbd('add', image, id);
  const locks = JSON.parse(await rbd('ls', image, '--format', 'json')) as { id: string; locker: string }[];
  const { locker = '' } = locks.find((one) => one.id === id) ?? {};
  return async () => {
    await rbd('rm', image, id, locker);
  };
}

async function halve({ pool, namespace, image }: ImageRef, id: string, left: Half): Promise<void> {
  const rados = (...args: string[]): Promise<string> =>
    admin().rados(['--pool', pool, '--namespace', namespace, ...args], soon());
  await rados('rm', `rbd_header.${id}`);
  if (left === 'all but the header') return;
  await rados('rm', `rbd_object_map.${id}`);
  if (left === 'entry') return;
  if (left === 'dead entry') {
    await rados('rm', `rbd_id.${image}`);
    return;
  }
  await rados('rmomapkey', 'rbd_directory', `name_${image}`);
  await rados('rmomapkey', 'rbd_directory', `id_${id}`);
}

async function copyName({ pool, namespace, image }: ImageRef, to: string): Promise<void> {
  await admin().rados(['--pool', pool, '--namespace', namespace, 'cp', `rbd_id.${image}`, `rbd_id.${to}`], soon());
}

/** A namespace of its own and everything the contract asks for there. */
export async function realFixture(label: string, port = startLibrbd()): Promise<PortFixture> {
  const place = await isolatedNamespace(label);
  const rbd = async (...args: string[]): Promise<void> => {
    await admin().rbd(args, soon(60_000));
  };
  return {
    port,
    at: { access: accessAs('controller'), pool: place.pool, namespace: place.namespace },
    write: (at) => rbd('bench', ...where(at), '--io-type', 'write', '--io-size', '4K', '--io-total', '4K'),
    snapshot: (at, name) => rbd('snap', 'create', '--no-progress', ...where(at), '--snap', name),
    removeSnapshot: (at, name) => rbd('snap', 'rm', '--no-progress', ...where(at), '--snap', name),
    lock,
    halve: ({ id, ...at }, left) => halve(at, id, left),
    copyName,
    watch,
    close: async () => {
      await port.close();
      await place.remove();
    },
  };
}
