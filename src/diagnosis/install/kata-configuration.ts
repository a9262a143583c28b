/** Will the Kata runtimes of this node plug block devices into their virtual machines? As their configuration says. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from '../../model/finding.js';

const NAME = 'kata';
/** Where Kata's packages and kata-deploy put it; the first of a kind that is there is the one that is used. */
const DIRECTORIES = [
  '/etc/kata-containers',
  '/opt/kata/share/defaults/kata-containers',
  '/usr/share/defaults/kata-containers',
];
/** runtime-rs has a directory of its own, and plugs block devices in whatever it says. */
const CONFIGURATION = /^configuration.*[.]toml$/;
const SETTING = /^\s*disable_block_device_use\s*=\s*(true|false)\s*$/m;

/** @param hostRoot the node's root directory, as this process sees it */
export async function checkKata(hostRoot: string): Promise<readonly Finding[]> {
  const found = await Promise.all(DIRECTORIES.map((directory) => filesIn(hostRoot, directory)));
  const files = found.flat();
  if (files.length === 0) return [{ name: NAME, level: 'ok', says: 'no Kata on this node' }];
  const faults = files.flatMap(({ file, text }) => faultOf(file, text) ?? []);
  if (faults.length > 0) return faults.map((says) => ({ name: NAME, level: 'warning', says }));
  return [{ name: NAME, level: 'ok', says: files.map(({ file }) => file).join(', ') }];
}

interface ConfigurationFile {
  /** As the node sees it. */
  readonly file: string;
  readonly text: string;
}

async function filesIn(hostRoot: string, directory: string): Promise<readonly ConfigurationFile[]> {
  const names = await readdir(path.join(hostRoot, directory)).catch(() => []);
  const read = names
    .filter((name) => CONFIGURATION.test(name))
    .toSorted()
    .map(async (name) => {
      const file = path.join(directory, name);
      return { file, text: await readFile(path.join(hostRoot, file), 'utf8').catch(() => '') };
    });
  return Promise.all(read);
}

function faultOf(file: string, text: string): string | undefined {
  const said = SETTING.exec(text)?.[1];
  const then = 'pods get an empty read-only directory instead of the volume; set disable_block_device_use = false';
  if (said === 'true') return `${file} says disable_block_device_use = true: ${then}`;
  if (said === 'false') return undefined;
  return `${file} does not say disable_block_device_use, true in the Go runtime of Kata 3.26 and newer: ${then}`;
}
