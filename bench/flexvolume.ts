/**
 * The FlexVolume driver: the binary's size and cold start, and what a mount and an unmount cost the kubelet through it.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ensurePackages, thisMachine } from '../src/dev/packages.js';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { packageRoot } from '../src/model/package-root.js';
import { FILESYSTEM_KEY } from '../src/volume/image/provenance.js';
import { figure, median, ms, print, quantile } from './figures.js';
import type { BenchCluster } from './bench-cluster.js';

const STARTS = 30;
const ARCHITECTURES = ['amd64', 'arm64'] as const;
/** Where Debian's libc6-arm64-cross puts what an emulated program needs. */
const ARM_ROOT = '/usr/aarch64-linux-gnu';

function once(command: string, args: readonly string[]): Promise<{ readonly ms: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
    child.once('error', reject);
    child.once('close', () => resolve({ ms: performance.now() - begun, text }));
  });
}

async function coldStart(name: string, command: string, args: readonly string[], times: number): Promise<void> {
  const took: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const ran = await once(command, [...args, 'init']);
    if (!ran.text.startsWith('{"status":"Success"')) throw new Error(`${name}: ${ran.text}`);
    took.push(ran.ms);
  }
  figure(`${name}: init, median (90 %)`, `${ms(median(took))} (${quantile(took, 0.9).toFixed(0)})`);
}

/** What starts the binary of the other processor; paths from a directory of programs. */
const EMULATION = [
  { what: 'qemu-aarch64-static', comesWith: 'qemu-user-static' },
  { what: '../aarch64-linux-gnu/lib/libc.so.6', comesWith: 'libc6-arm64-cross' },
  { what: '../aarch64-linux-gnu/lib/libstdc++.so.6', comesWith: 'libstdc++6-arm64-cross' },
];
const INSTALL_MS = 900_000;

/** Both are built where they are not there yet. */
async function prepare(): Promise<void> {
  const built = await Promise.all(ARCHITECTURES.map((one) => stat(fileOf(one)).catch(() => undefined)));
  if (built.includes(undefined)) {
    print('  building (npm run build:flexvolume)');
    await run('npm', ['--prefix', packageRoot(), 'run', '--silent', 'build:flexvolume'], {
      deadline: Deadline.after(INSTALL_MS),
    });
  }
  if (process.arch === 'arm64') return;
  const say = (line: string): void => print(`  ${line}`);
  await ensurePackages(run, say, Deadline.after(INSTALL_MS), thisMachine(EMULATION)).catch((error: unknown) =>
    say(String(error)),
  );
}

const fileOf = (architecture: string): string =>
  path.join(packageRoot(), 'dist/flexvolume/bin', architecture, 'cephrbd');

export async function binaryCost(): Promise<void> {
  print('\nThe FlexVolume binary, each start a new process');
  await prepare();
  for (const architecture of ARCHITECTURES) {
    const file = fileOf(architecture);
    const { size } = await stat(file);
    figure(`${architecture}: size`, `${(size / 1e6).toFixed(0)} MB`);
    const isOwn = (process.arch === 'arm64') === (architecture === 'arm64');
    if (isOwn) await coldStart(architecture, file, [], STARTS);
    else if (architecture === 'arm64') {
      const emulated = coldStart('arm64, emulated by qemu-user', 'qemu-aarch64-static', ['-L', ARM_ROOT, file], 3);
      await emulated.catch((error: unknown) => print(`  arm64: not started (${String(error).slice(0, 120)})`));
    }
  }
  await coldStart('the same as a script of node', process.execPath, ['dist/flexvolume/main.js'], STARTS);
}

function askDirectly(socket: string, call: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let text = '';
    connection.once('error', reject);
    connection.on('data', (part: Buffer) => (text += part.toString()));
    connection.once('end', () => resolve(text));
    const question = { version: 1, driver: 'hyper/cephrbd', attach: false, call, args, ms: 60_000 };
    connection.write(`${JSON.stringify(question)}\n`);
  });
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');

/** hyperd's way, where nothing is mounted: what is measured is the core, the mapper and Ceph. */
export async function mountCost(site: BenchCluster, times: number): Promise<void> {
  print('\nA FlexVolume mount for hyperd (hold, map, check, unmap, hand off) and its unmount, asked over the socket');
  const socket = path.join(site.directory, 'flexvolume-agent.sock');
  const kubelet = await startKubelet(path.join(site.directory, 'kubelet'));
  const { driver, client } = await site.startDriver('flexvolume', {
    services: ['identity', 'controller', 'node'],
    options: ['--flexvolume-endpoint', `unix://${socket}`, '--kubelet-dir', kubelet.root],
  });
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-bench-pod-'));
  const { id, key } = site.cluster.users.node;
  try {
    await createByHand(site, 'hyper/node/flexvolume');
    const options = JSON.stringify({
      volumeID: 'flexvolume',
      pool: 'hyper',
      radosNamespace: 'node',
      'kubernetes.io/fsType': 'ext4',
      'kubernetes.io/secret/userID': encoded(id),
      'kubernetes.io/secret/userKey': encoded(key.reveal()),
    });
    const mount = ['mount', directory, options];
    const unmount = ['unmount', directory];
    // The first one formats.
    for (const [call = '', ...args] of [mount, unmount]) await timed(socket, call, args);
    const took: { readonly [name: string]: number[] } = { mount: [], 'mount again': [], unmount: [] };
    for (let i = 0; i < times; i += 1) {
      for (const [name, [call = '', ...args]] of [
        ['mount', mount],
        ['mount again', mount],
        ['unmount', unmount],
      ] as const)
        took[name]?.push(await timed(socket, call, args));
    }
    for (const [name, all] of Object.entries(took))
      figure(`${name}: median (90 %)`, `${ms(median(all))} (${quantile(all, 0.9).toFixed(0)})`);
  } finally {
    client.close();
    await driver.stop();
    await kubelet.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** A kubelet's root as a node has it: a shared mount, with its directories. */
async function startKubelet(root: string): Promise<{ readonly root: string; stop(): Promise<void> }> {
  for (const one of ['pods', 'plugins']) await mkdir(path.join(root, one), { recursive: true });
  const soon = { deadline: Deadline.after(30_000) };
  await run('mount', ['--bind', root, root], soon);
  const stop = async (): Promise<void> => {
    await run('umount', [root], { deadline: Deadline.after(30_000) });
  };
  await run('mount', ['--make-shared', root], soon).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { root, stop };
}

/** Of no claim, as FlexVolume's images are, and surely empty. */
async function createByHand(site: BenchCluster, image: string): Promise<void> {
  await site.rbd(['create', '--size', '1G', image]);
  await site.rbd(['image-meta', 'set', image, FILESYSTEM_KEY, '{"version":1,"state":"never"}']);
}

async function timed(socket: string, call: string, args: readonly string[]): Promise<number> {
  const begun = performance.now();
  const answer = await askDirectly(socket, call, args);
  if (!answer.startsWith('{"status":"Success"')) throw new Error(`${call}: ${answer}`);
  return performance.now() - begun;
}
