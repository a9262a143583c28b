/** Runs one test file in a guest of its own, over as many boots as the file asks for. */
import { access, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../../../src/dev/say.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Session } from '../wire.js';
import type { Control } from './control.js';
import { consoleOf, startGuest, type Guest, type GuestFiles } from './guest.js';
import { Peer } from './peer.js';
import { writeInitramfs } from './initramfs.js';
import type { Results } from './results.js';
import type { Unpacked } from '../../../src/dev/guest/unpacked.js';

/** Ten times of what it takes on a machine that has nothing else to do, ms. */
const BOOT_MS = 180_000;
/**
 * The longest that a single test, or the end of the guest, may be silent, ms: tests have deadlines of their own, and
 * emulation on a busy host crawls.
 */
const SILENCE_MS = 900_000;
const POLL_MS = 200;
const DISK_BYTES = 256 * 2 ** 20;
const CONSOLE_LINES = 60;

export interface FileRun {
  /** Absolute path of the compiled test file, and of the package that it belongs to. */
  readonly test: string;
  readonly packageRoot: string;
  /** Of this file alone; made here. */
  readonly directory: string;
  readonly unpacked: Unpacked;
  /** The root whose /usr the guest has in the place of the host's; undefined for the host's. */
  readonly client: string | undefined;
  readonly control: Control;
  readonly cluster: Omit<Session, 'boot' | 'guest' | 'state' | 'control'>;
  readonly results: Results;
  readonly signal: AbortSignal;
}

export async function runInGuest(file: FileRun): Promise<void> {
  const files = await prepare(file);
  const peer = new Peer(file);
  file.control.peer = peer;
  try {
    await bootUntilTheEnd(file, files);
  } finally {
    file.control.peer = undefined;
    await peer.end();
  }
}

async function bootUntilTheEnd(file: FileRun, files: GuestFiles): Promise<void> {
  for (let boot = 1; ; boot += 1) {
    const session: Session = {
      ...file.cluster,
      ...{ boot, guest: true, state: '/mnt/state', control: file.control.address },
    };
    await writeFile(path.join(files.share, 'session.json'), JSON.stringify(session), { mode: 0o600 });
    for (const name of ['booted', 'results', 'output', 'code']) await rm(path.join(files.share, name), { force: true });
    const end = await runBoot(file, files);
    if (end !== 'reboot') return;
  }
}

/** All that a machine needs for this program, in the directory of the run. */
export async function prepare({
  test,
  packageRoot,
  directory,
  unpacked,
  client,
}: Pick<FileRun, 'test' | 'packageRoot' | 'directory' | 'unpacked' | 'client'>): Promise<GuestFiles> {
  const at = (name: string): string => path.join(directory, name);
  await mkdir(at('share'), { recursive: true, mode: 0o700 });
  const inside = path.join(packageRoot, 'test/vm/inside');
  await writeInitramfs(at('initramfs'), unpacked, path.join(inside, 'init'), {
    START: path.join(inside, 'start.sh'),
    PACKAGE: packageRoot,
    NODE: process.execPath,
    TEST: test,
    CLIENT: client ?? '',
  });
  await writeFile(at('disk'), '');
  await truncate(at('disk'), DISK_BYTES);
  await run('mkfs.ext4', ['-q', '-F', at('disk')], { deadline: Deadline.after(BOOT_MS) });
  return { kernel: unpacked.kernel, initramfs: at('initramfs'), directory, share: at('share'), disk: at('disk') };
}

/** One boot until the guest has ended, is silent for too long, asks for a reboot, or somebody wants us to stop. */
async function runBoot(file: FileRun, files: GuestFiles): Promise<'end' | 'reboot'> {
  const { control, results, signal } = file;
  const reboot = new AbortController();
  control.onReboot = () => reboot.abort();
  results.begin();
  const guest = startGuest(files);
  try {
    const why = await watch(file, files, guest, reboot.signal);
    await results.look(path.join(files.share, 'results'));
    if (reboot.signal.aborted) {
      results.rebooted();
      return 'reboot';
    }
    signal.throwIfAborted();
    const code = (await readFile(path.join(files.share, 'code'), 'utf8').catch(() => '')).trim();
    if (code === '') results.broken(`${why}\n${await evidence(files)}`);
    else if (code !== '0' && results.failed === 0)
      results.broken(`the runner's exit code is ${code}\n${await evidence(files)}`);
    else if (results.failed + results.passed === 0) results.broken('the file holds no test');
    else if (results.failed > 0) process.stderr.write(`${await evidence(files)}\n`);
    return 'end';
  } finally {
    control.onReboot = undefined;
    await guest.kill();
  }
}

/** Why the waiting is over. */
async function watch(
  { results, signal }: FileRun,
  { share }: GuestFiles,
  guest: Guest,
  reboot: AbortSignal,
): Promise<string> {
  const started = performance.now();
  let booted = false;
  for (;;) {
    const how = await Promise.race([guest.ended, sleep(POLL_MS)]);
    await results.look(path.join(share, 'results'));
    if (how !== undefined) return `the guest ended (${how}) without a result`;
    if (reboot.aborted || signal.aborted) return 'stopped';
    const took = performance.now() - started;
    if (!booted && (await exists(path.join(share, 'booted')))) {
      booted = true;
      say(`  booted after ${(took / 1000).toFixed(1)} s`);
    }
    if (!booted && took > BOOT_MS) return `the guest has not booted after ${BOOT_MS} ms`;
    if (performance.now() - results.heard > SILENCE_MS) return `nothing was heard for ${SILENCE_MS} ms`;
  }
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const lastLines = async (file: string): Promise<string> =>
  (await readFile(file, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-CONSOLE_LINES).join('\n');

/** What is worth reading when something went wrong. */
async function evidence({ directory, share }: GuestFiles): Promise<string> {
  const parts = [
    ['the tests printed', path.join(share, 'output')],
    ["the guest's console", consoleOf(directory)],
    ['QEMU said', path.join(directory, 'qemu.log')],
  ] as const;
  const texts = await Promise.all(parts.map(async ([title, file]) => [title, await lastLines(file)] as const));
  return texts
    .filter(([, text]) => text !== '')
    .map(([title, text]) => `--- ${title}:\n${text}`)
    .join('\n');
}
