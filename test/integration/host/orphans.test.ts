/** A parent that is killed: its children end with it at once, the daemons that they left carry data and live on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findProcesses } from '../../../src/dev/processes.js';
import { scratchDirectory } from '../ceph.js';

const PARENT = path.resolve('test/fixtures/parents/runs.mjs');
const STARTS_AHEAD = path.resolve('test/fixtures/parents/runs-spare.mjs');
/** Nobody answers there (RFC 5737). */
const SILENT_MONITOR = '192.0.2.1:6789';
let serial = 0;

/** A number that only one command line of this machine holds. */
const unique = (): string => `600.${process.pid}${(serial += 1)}`;
const running = (program: string, argument: string) =>
  findProcesses((one) => one.program === program && one.argv.includes(argument));

const parent = (...args: readonly string[]) => spawn(process.execPath, [PARENT, ...args], { stdio: 'inherit' });

it.each([
  ['sleep', (mark: string) => [mark]],
  ['rbd', (mark: string) => ['--conf', '/dev/null', '-m', SILENT_MONITOR, '--id', mark, 'ls']],
])('a child (%s) ends with a parent that was killed', async (program, argumentsOf) => {
  const mark = unique();
  const killed = parent(program, ...argumentsOf(mark));
  await expect.poll(() => running(program, mark), { timeout: 60_000 }).toHaveLength(1);
  killed.kill('SIGKILL');
  await expect.poll(() => running(program, mark), { timeout: 60_000 }).toEqual([]);
});

it('a child that was started ahead ends with it, and so do those that wait', async () => {
  const mark = unique();
  const killed = spawn(process.execPath, [STARTS_AHEAD, 'sleep', mark], { stdio: 'inherit' });
  const waiting = async () => (await findProcesses(({ argv }) => argv.at(-1) === 'berth-exec')).map(({ pid }) => pid);
  const isOfParent = async (pid: number) =>
    (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).includes(`) S ${killed.pid} `);
  await expect.poll(() => running('sleep', mark), { timeout: 60_000 }).toHaveLength(1);
  const pids: number[] = [];
  for (const pid of await waiting()) if (await isOfParent(pid)) pids.push(pid);
  expect(pids).not.toEqual([]);
  killed.kill('SIGKILL');
  await expect.poll(() => running('sleep', mark), { timeout: 60_000 }).toEqual([]);
  await expect.poll(async () => (await waiting()).filter((pid) => pids.includes(pid)), { timeout: 60_000 }).toEqual([]);
});

it('a daemon that a child left lives on', async () => {
  const directory = await scratchDirectory('daemon');
  const pidFile = path.join(directory, 'pid');
  const lock = path.join(directory, 'lock');
  const daemon = ['qemu-storage-daemon', '--daemonize', '--pidfile', pidFile];
  const killed = parent('flock', '--nonblock', lock, ...daemon);
  onTestFinished(async () => {
    for (const one of await running('qemu-storage-daemon', pidFile)) process.kill(one.pid, 'SIGKILL');
  });
  await expect.poll(() => readFile(pidFile, 'utf8').catch(() => ''), { timeout: 60_000 }).not.toBe('');
  const ended = once(killed, 'exit');
  killed.kill('SIGKILL');
  await ended;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await running('qemu-storage-daemon', pidFile)).map(({ pid }) => pid)).toEqual([
    Number(await readFile(pidFile, 'utf8')),
  ]);
});
