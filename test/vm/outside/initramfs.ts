/**
 * The guest's first root filesystem: a shell, the modules for the first seconds, the programs that the host may lack,
 * and what is different in each run.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Archive } from '../../../src/dev/guest/cpio.js';
import { earlyModules } from '../../../src/dev/guest/modules.js';
import type { Unpacked } from '../../../src/dev/guest/unpacked.js';

/** Shell variables of the init program. */
export type Settings = Readonly<Record<string, string>>;

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** @param init the init program, a script of busybox' shell */
export async function writeInitramfs(
  file: string,
  unpacked: Unpacked,
  init: string,
  settings: Settings,
): Promise<void> {
  const archive = new Archive();
  for (const name of ['bin', 'proc', 'sys', 'dev', 'host', 'layers', 'root', 'modules']) archive.directory(name);
  archive.file('bin/busybox', await readFile(unpacked.busybox), 0o755);
  archive.file('init', await readFile(init), 0o755);
  const order: string[] = [];
  for (const module of await earlyModules(unpacked.modules)) {
    const name = path.basename(module);
    archive.file(`modules/${name}`, await readFile(path.join(unpacked.modules, module)));
    order.push(name);
  }
  archive.file('modules/order', `${order.join('\n')}\n`);
  const lines = Object.entries({ MODULES: unpacked.modules, RELEASE: unpacked.release, ...settings });
  archive.file('settings', lines.map(([name, value]) => `${name}=${quoted(value)}\n`).join(''));
  await archive.tree('programs', unpacked.programs);
  await writeFile(file, archive.end());
}
