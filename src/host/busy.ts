/** Who keeps a mount busy, as far as it can be seen quickly and without touching the filesystem itself. */
import { Deadline } from '../model/deadline.js';
import { mountsBelow, readMounts } from './mountinfo.js';
import { processLinks } from './process-links.js';

const SHOWN = 3;
/** A node may run thousands of processes; the answer must not wait for all of them. */
const LOOK_MS = 2_000;

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
  const isInside = (target: string): boolean => target === path || target.startsWith(`${path}/`);
  for await (const one of processLinks()) {
    if (deadline.expired || found.length > SHOWN) break;
    if ([...one.places(), ...one.descriptors()].some(isInside)) found.push(`${one.pid} (${one.name()})`);
  }
  return found;
}
