/** kubectl of 1.31 or newer: this machine's own, or that of Debian 13, unpacked into a cache and installed nowhere. */
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { cachedDirectory } from '../../../src/dev/root/cached-directory.js';
import { downloadPackages } from '../../../src/dev/root/private-apt.js';
import { unpackPackages } from '../../../src/dev/root/unpack-packages.js';
import { rootsCache } from '../../../src/dev/root/unpacked-root.js';
import { terminalText } from '../../../src/dev/say.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

/** It wants a C library of 2.34, which Debian 12 has as well. */
const SUITE = 'trixie';
const DOWNLOAD_MS = 300_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

function isNewEnough(file: string): boolean {
  try {
    return /v1\.(3[1-9]|[4-9]\d)/.test(execFileSync(file, ['version', '--client'], { encoding: 'utf8' }));
  } catch {
    return false;
  }
}

const own = (): string => execFileSync('sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).trim();

async function unpacked(): Promise<string> {
  const target = await cachedDirectory(path.join(rootsCache(), `kubectl-${SUITE}`), async (draft) => {
    say(`downloading kubectl of Debian ${SUITE} (about 20 MB)`);
    const apt = path.join(draft, 'apt');
    const deadline = Deadline.after(DOWNLOAD_MS);
    const files = await downloadPackages(run, apt, SUITE, ['kubectl'], deadline);
    // This machine's own C library serves it.
    const [file = ''] = files.filter((one) => path.basename(one).startsWith('kubectl_'));
    await unpackPackages(run, [file], draft, deadline);
    await rm(apt, { recursive: true });
  });
  const file = path.join(target, 'usr/bin/kubectl');
  if (!isNewEnough(file)) throw new Error(`${file} is older than 1.31, or does not run here`);
  return file;
}

/** The path of its program. Undefined where none can be had, which is said aloud. */
export async function kubectlOrNone(): Promise<string | undefined> {
  try {
    return isNewEnough('kubectl') ? own() : await unpacked();
  } catch (error) {
    say(
      `\n!! SKIPPED: docs/install.md is not run: no kubectl of 1.31 or newer can be had here: ${terminalText(error)}`,
    );
    return undefined;
  }
}
