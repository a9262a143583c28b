/** Runs one test file on this machine's own kernel. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exec } from '../../../src/host/process/exec.js';
import { KrbdMapper } from '../../../src/rbd/mapping/krbd/krbd-mapper.js';
import { NbdMapper } from '../../../src/rbd/mapping/nbd/nbd-mapper.js';
import { RESULTS_VARIABLE, SESSION_VARIABLE, type Session } from '../wire.js';
import type { FileRun } from './in-guest.js';

/**
 * Why the tests cannot run on this machine's own kernel; undefined where they can. Loads the modules where that is
 * possible.
 */
export async function whyNotNative(exec: Exec): Promise<string | undefined> {
  const reasons = await Promise.all([new KrbdMapper({ exec }), new NbdMapper({ exec })].map((one) => one.whyNot()));
  const why = reasons.filter((reason) => reason !== undefined).join('; ');
  return why === '' ? undefined : why;
}

const SILENCE_MS = 900_000;
const POLL_MS = 200;

export async function runNatively(file: Omit<FileRun, 'unpacked' | 'client'>): Promise<void> {
  const { directory, packageRoot, results, signal } = file;
  const at = (name: string): string => path.join(directory, name);
  await mkdir(at('state'), { recursive: true, mode: 0o700 });
  const session: Session = {
    ...file.cluster,
    ...{ boot: 1, guest: false, state: at('state'), control: file.control.address },
  };
  await writeFile(at('session.json'), JSON.stringify(session), { mode: 0o600 });
  const reporter = path.join(packageRoot, 'dist/test/vm/inside/reporter.js');
  const output = openSync(at('output'), 'w', 0o600);
  const child = spawn(process.execPath, [`--test-reporter=${reporter}`, file.test], {
    cwd: packageRoot,
    env: { ...process.env, [SESSION_VARIABLE]: at('session.json'), [RESULTS_VARIABLE]: at('results') },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, how) => resolve(how ?? `exit code ${code ?? 0}`));
  });
  results.begin();
  let how: string | undefined;
  while (how === undefined) {
    how = (await Promise.race([ended, sleep(POLL_MS)])) ?? undefined;
    await results.look(at('results'));
    const silent = performance.now() - results.heard > SILENCE_MS;
    // SIGTERM first: a test process that ends by itself undoes what it did to this machine.
    if (signal.aborted || silent) child.kill(signal.aborted ? 'SIGTERM' : 'SIGKILL');
  }
  signal.throwIfAborted();
  const said = await readFile(at('output'), 'utf8');
  if (how !== 'exit code 0' && results.failed === 0) results.broken(`${how}\n${said}`);
  else if (results.failed + results.passed === 0) results.broken('the file holds no test');
}
