/**
 * `npm run test:vm [-- --native] [--prepare] [--kernel VERSION] [--ceph RELEASE] [--client RELEASE] [name ...]`: the
 * tests of this directory on a real kernel; leaves nothing behind, also after a failure or Ctrl-C. `--prepare` only
 * fetches the packages that they need. With `--client` the guest's programs are that release's.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, realpath, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { lockDirectory } from '../../src/dev/lock.js';
import { ensurePackages, thisMachine, type Need } from '../../src/dev/packages.js';
import { findProcesses, stopProcesses } from '../../src/dev/processes.js';
import { terminalText, say } from '../../src/dev/say.js';
import { siteAt } from '../../src/dev/site.js';
import { clientRoot, RELEASE_OPTIONS } from '../../src/dev/root/choose-releases.js';
import type { Suite } from '../../src/dev/root/release.js';
import { takeDown } from '../../src/dev/take-down.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { guestNeeds } from '../../src/dev/guest/machine.js';
import { KERNELS } from '../../src/dev/guest/other-kernel.js';
import { whyNotNative } from './outside/native.js';
import type { Work } from './outside/work.js';
import { unpackedPackages } from '../../src/dev/guest/unpacked.js';
import { IMAGE_VARIABLE } from './wire.js';

const NATIVE_NEEDS: readonly Need[] = [{ what: 'rbd-nbd', comesWith: 'rbd-nbd' }];
/** What a run in guests needs on the host beside them: it lives in a network namespace. */
const NEEDS: readonly Need[] = [
  ...NATIVE_NEEDS,
  { what: 'ip', comesWith: 'iproute2' },
  { what: 'unshare', comesWith: 'util-linux' },
];

const PREFIX = 'berth-vm-';
const OF_IMAGE = 'image.vm.test.ts';
/** Clusters before 18 cannot ask for what the kernel does not know, and their clients do not know it either. */
const OF_NEWER = 'kernel-limits.vm.test.ts';
const PACKAGES_MS = 900_000;
/** What the worker may take to end its guest after it was asked to, ms. */
const GRACE_MS = 20_000;
const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));
const WORKER = fileURLToPath(new URL('outside/work.js', import.meta.url));

/**
 * Compiled files of the tests that are named so or, where none is, whose names contain one of `names`; all where there
 * are none.
 */
async function testFiles(names: readonly string[], client: string | undefined): Promise<readonly string[]> {
  const all = (await readdir(path.join(PACKAGE, 'test/vm'))).filter((name) => name.endsWith('.vm.test.ts')).sort();
  const leftOut = new Map<string, string>();
  if (process.env[IMAGE_VARIABLE] === undefined) leftOut.set(OF_IMAGE, `${IMAGE_VARIABLE} names no root of an image`);
  if (client === undefined || client === '16') leftOut.set(OF_NEWER, 'it is for --client 18 and newer');
  const isAsked = (file: string): boolean => names.length === 0 || names.some((name) => file.includes(name));
  for (const [name, why] of leftOut) if (isAsked(name)) say(`${name} is left out: ${why}`);
  const sources = all.filter((name) => !leftOut.has(name));
  const named = (name: string): readonly string[] => {
    const exactly = sources.filter((file) => file === `${name}.vm.test.ts`);
    return exactly.length > 0 ? exactly : sources.filter((file) => file.includes(name));
  };
  const wanted = names.length === 0 ? sources : [...new Set(names.flatMap(named))];
  if (wanted.length === 0)
    throw new Error(`no test is named like ${names.join(', ')}; there are ${sources.join(', ')}`);
  return wanted.map((file) => path.join(PACKAGE, 'dist/test/vm', file.replace(/\.ts$/, '.js')));
}

/** Directories of runs that were killed: nobody holds them any more. */
async function takeDownStale(): Promise<void> {
  for (const name of (await readdir(os.tmpdir())).filter((one) => one.startsWith(PREFIX))) {
    const directory = await realpath(path.join(os.tmpdir(), name));
    const lock = await lockDirectory(directory, 'serve', 'stale?', Deadline.after(0)).catch(() => undefined);
    if (lock === undefined) continue;
    await lock.release();
    await cleanUp(directory);
  }
}

/** Idempotent: machines of this directory, then cluster, devices and files. */
async function cleanUp(directory: string): Promise<void> {
  const mentions = (argument: string): boolean => argument.includes(directory);
  const isOurs = /^(qemu-system-|node)/;
  const left = await findProcesses(({ program, argv }) => isOurs.test(program) && argv.some(mentions));
  await stopProcesses(left, 0, Deadline.after(GRACE_MS));
  await takeDown(directory);
}

function startWorker(work: Work): ChildProcess {
  const argument = JSON.stringify(work);
  const stdio: ('ignore' | 'inherit' | 'ipc')[] = ['ignore', 'inherit', 'inherit', 'ipc'];
  if (work.unpacked === undefined) return fork(WORKER, [argument], { detached: true, stdio });
  // A network namespace without a name, so that no two runs can meet; it ends with the last process in it.
  return spawn('unshare', ['--net', '--', process.execPath, WORKER, argument], { detached: true, stdio });
}

/** The worker's exit code; it is told to end, and ended, where somebody wants us to. */
async function outcome(worker: ChildProcess, asked: AbortSignal): Promise<number> {
  asked.addEventListener('abort', () => {
    worker.kill('SIGTERM');
    setTimeout(() => worker.kill('SIGKILL'), GRACE_MS).unref();
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => resolve(code ?? 1));
  });
}

function suiteOf(kernel: string | undefined): Suite | undefined {
  if (kernel === undefined) return undefined;
  const suite = KERNELS[kernel];
  if (suite === undefined) throw new Error(`no kernel ${kernel}: there are ${Object.keys(KERNELS).join(', ')}`);
  return suite;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      native: { type: 'boolean', default: false },
      prepare: { type: 'boolean', default: false },
      kernel: { type: 'string' },
      ...RELEASE_OPTIONS,
    },
    allowPositionals: true,
  });
  const tests = await testFiles(positionals, values.client);
  const asked = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => asked.abort());
  const deadline = Deadline.after(PACKAGES_MS);
  await ensurePackages(run, say, deadline, thisMachine(values.native ? NATIVE_NEEDS : [...NEEDS, ...guestNeeds()]));
  const why = values.native ? await whyNotNative(run) : undefined;
  if (why !== undefined) throw new Error(`the kernel of this machine is not fit for --native: ${why}`);
  const unpacked = values.native ? undefined : await unpackedPackages(run, say, deadline, suiteOf(values.kernel));
  const client = await clientRoot(run, values, say);
  if (client !== undefined && values.native)
    throw new Error('--client changes the programs of a guest: --native has none');
  if (values.prepare) return 0;
  await takeDownStale();
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), PREFIX)));
  const lock = await lockDirectory(directory, 'serve', 'test:vm', Deadline.after(1_000));
  try {
    await writeFile(siteAt(directory).mark, '');
    asked.signal.throwIfAborted();
    return await outcome(startWorker({ directory, packageRoot: PACKAGE, tests, unpacked, client }), asked.signal);
  } finally {
    await lock.release();
    await cleanUp(directory);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  say(terminalText(error));
  process.exitCode = 1;
}
