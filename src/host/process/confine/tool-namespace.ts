/**
 * A mount namespace for tools, made once by this process: it has the root filesystem and what of the programs lies on
 * others, and nothing else. A namespace is born as a copy of all mounts, and keeps each device in use until it has let
 * go of it: so not one for each run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { readMounts } from '../../mount/mountinfo.js';

/** Its arguments are mount points to show. The old root goes to /sys for a moment; a lazy umount needs /proc. */
const SETUP = `
mount --bind / /dev && mount --bind /proc /dev/proc && cd /dev && pivot_root . sys && cd / || exit
for at; do mount --bind "/sys$at" "$at" || exit; done
umount -l /sys /proc && echo ready && read end
`;
/** Where programs, their libraries and their settings are. */
const PROGRAMS = ['/usr', '/usr/bin', '/usr/sbin', '/usr/lib', '/bin', '/sbin', '/lib', '/lib64', '/etc'];
const MAKE_MS = 10_000;

let made: Promise<string | undefined> | undefined;

/** A file of /proc by which it is entered, as long as this process lives; undefined where the machine lets us not. */
export function toolNamespace(): Promise<string | undefined> {
  made ??= make().catch(() => undefined);
  return made;
}

async function make(): Promise<string | undefined> {
  // What is unmounted on the host meanwhile is unmounted in the copy as well.
  const args = ['--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', SETUP, 'berth-namespace'];
  const child = spawn('unshare', [...args, ...(await separateMounts())], { stdio: ['pipe', 'pipe', 'ignore'] });
  const late = setTimeout(() => child.kill('SIGKILL'), MAKE_MS);
  try {
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error('ended'))),
    ]);
    // Open for the life of this process, which keeps the namespace; its maker is not needed any more.
    const fd = openSync(`/proc/${child.pid}/ns/mnt`, 'r');
    return `/proc/${process.pid}/fd/${fd}`;
  } finally {
    clearTimeout(late);
    child.stdin.end();
  }
}

/** What lies between the root and the programs on a filesystem of its own; the outermost first. */
async function separateMounts(): Promise<readonly string[]> {
  const needed = new Set(PROGRAMS);
  for (const directory of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const real = await realpath(directory).catch(() => '/');
    for (let at = real; at !== path.dirname(at); at = path.dirname(at)) needed.add(at);
  }
  const mounts = (await readMounts()).map(({ target }) => target).filter((target) => needed.has(target));
  return [...new Set(mounts)].sort((one, other) => one.length - other.length);
}
