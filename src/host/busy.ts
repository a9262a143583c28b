/** Who keeps a mount busy, as far as it can be seen quickly and without touching the filesystem itself. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { Deadline } from '../model/deadline.js';
import { mountsBelow, readMounts } from './mountinfo.js';

const SHOWN = 3;
/** A node may run thousands of processes; the answer must not wait for all of them. */
const LOOK_MS = 500;

/** A sentence for an error: mounts below `path`, else processes that have it open; never throws. */
export async function whoUses(path: string): Promise<string> {
  try {
    const below = mountsBelow(await readMounts(), path);
    if (below.length > 0) return `mounted below it: ${list(below.map((mount) => mount.target))}`;
    const processes = await processesIn(path, Deadline.after(LOOK_MS));
    return processes.length > 0 ? `process ${list(processes)}` : 'no process or mount seen from here';
  } catch {
    return 'its users could not be determined';
  }
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and others` : shown;
}

async function processesIn(path: string, deadline: Deadline): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (deadline.expired || found.length > SHOWN) break;
    if (await hasOpen(pid, path)) found.push(`${pid} (${await commandName(pid)})`);
  }
  return found;
}

/** Links of /proc are answered from memory: nothing here waits for the filesystem in question, which may be dead. */
async function hasOpen(pid: string, path: string): Promise<boolean> {
  const directory = `/proc/${pid}`;
  const descriptors = await readdir(`${directory}/fd`).catch(() => []);
  const links = ['cwd', 'root', 'exe', ...descriptors.map((name) => `fd/${name}`)];
  for (const link of links) {
    const target = await readlink(`${directory}/${link}`).catch(() => '');
    if (target === path || target.startsWith(`${path}/`)) return true;
  }
  return false;
}

const commandName = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'ended')).trim();
