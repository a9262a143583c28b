/** The kubelet that runs on this node, as far as its process tells: the root that it sees, and where it has plugins. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { processLinks } from '../../host/process/process-links.js';

/** Where a kubelet looks that is told nothing. */
export const DEFAULT_PLUGINS = '/usr/libexec/kubernetes/kubelet-plugins/volume/exec';

export interface KubeletSeen {
  /** The root directory of its process: a path of the kubelet's is found below it. */
  readonly root: string;
  /** Where it looks for FlexVolume drivers. */
  readonly plugins: string;
}

/** Undefined where no kubelet can be seen: another pid namespace, or none runs. */
export async function findKubelet(procRoot: string): Promise<KubeletSeen | undefined> {
  for await (const one of processLinks(procRoot)) {
    if (one.name() !== 'kubelet') continue;
    const own = path.join(procRoot, String(one.pid));
    const root = path.join(own, 'root');
    const words = (await readFile(path.join(own, 'cmdline'), 'utf8').catch(() => '')).split('\0');
    const plugins = argumentOf(words, 'volume-plugin-dir') ?? (await configured(root, argumentOf(words, 'config')));
    return { root, plugins: plugins ?? DEFAULT_PLUGINS };
  }
  return undefined;
}

function argumentOf(words: readonly string[], flag: string): string | undefined {
  const at = words.findIndex((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
  const word = words[at];
  if (word === undefined) return undefined;
  const value = word.includes('=') ? word.slice(word.indexOf('=') + 1) : words[at + 1];
  return value === undefined || !path.isAbsolute(value) ? undefined : value;
}

/** `volumePluginDir` of its configuration file, which the command line goes before. */
async function configured(root: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    const said: unknown = parse(await readFile(path.join(root, file), 'utf8'));
    const value = typeof said === 'object' && said !== null && 'volumePluginDir' in said ? said.volumePluginDir : '';
    return typeof value === 'string' && path.isAbsolute(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
