/** Chromium of the distribution: this machine's own, or unpacked into a cache and installed nowhere. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { argumentsInRoot } from '../../src/dev/root/in-root.js';
import { rootWith } from '../../src/dev/root/unpacked-root.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

const PACKAGES = ['chromium', 'fonts-dejavu-core', 'fontconfig-config'];
const DOWNLOAD_MS = 900_000;

export interface Chromium {
  /** Program and arguments that start it with these. */
  readonly command: (args: readonly string[]) => readonly [string, readonly string[]];
  readonly environment: Readonly<Record<string, string>>;
}

/** BERTH_PACKAGES_MISSING and the like where none can be had; @param say is told before anything is downloaded */
export async function findChromium(say: (line: string) => void): Promise<Chromium> {
  if (spawnSync('chromium', ['--version']).status === 0)
    return { command: (args) => ['chromium', args], environment: {} };
  const content = { suite: 'bookworm', packages: PACKAGES, what: 'Chromium', megabytes: 340 } as const;
  const root = await rootWith(run, content, say, Deadline.after(DOWNLOAD_MS));
  return {
    command: (args) => argumentsInRoot(root, '/usr/lib/chromium/chromium', args),
    // What the packages' scripts would have put below /etc.
    environment: { FONTCONFIG_FILE: path.join(root, 'etc/fonts/fonts.conf') },
  };
}

/** Undefined where none can be had, which is said aloud: no machine needs one for anything else. */
export async function chromiumOrNone(): Promise<Chromium | undefined> {
  try {
    return await findChromium((line) => void process.stderr.write(`${line}\n`));
  } catch (error) {
    process.stderr.write(`\n!! SKIPPED: no Chromium can be had here: ${error instanceof Error ? error.message : ''}\n`);
    return undefined;
  }
}
