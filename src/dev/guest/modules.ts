/** Which module files the guest's first seconds need, in the order in which they can be loaded. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Loaded by the init program; everything else comes by modprobe from the mounted tree, a second or two each time. */
const EARLY = [
  // The crypto API's names are soft dependencies, which modules.dep does not know.
  ...['crc32c_generic', 'crc32c_intel'],
  ...['virtio_pci', 'virtio_net', 'virtio_blk', '9p', '9pnet_virtio', 'overlay'],
  ...['ext4', 'xfs', 'loop', 'fuse', 'libceph', 'rbd'],
];

const moduleName = (file: string): string =>
  path
    .basename(file)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');

/**
 * Files below `directory` (`lib/modules/<release>`, with depmod's modules.dep), dependencies first; those built in are
 * left out.
 * @param wanted by name, in the order in which they are needed
 */
export async function earlyModules(directory: string, wanted: readonly string[] = EARLY): Promise<readonly string[]> {
  const lines = (await readFile(path.join(directory, 'modules.dep'), 'utf8')).trimEnd().split('\n');
  const needs = new Map<string, readonly string[]>();
  for (const line of lines) {
    const [file = '', dependencies = ''] = line.split(':');
    needs.set(file, dependencies.trim().split(/\s+/).filter(Boolean));
  }
  const files = new Map([...needs.keys()].map((file) => [moduleName(file), file]));
  const order = new Set<string>();
  for (const name of wanted) {
    const file = files.get(name);
    // modules.dep lists all dependencies of a module, the ones to be loaded first last.
    if (file !== undefined) for (const one of [...(needs.get(file) ?? [])].reverse().concat(file)) order.add(one);
  }
  return [...order];
}
