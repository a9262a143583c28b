/** MariaDB in a guest: the tree, which is its read-only disk, with what programs want around them, and the server. */
import type { SandboxGuest } from '../guest/sandbox-guest.js';
import { SERVER } from './mariadb-pod.js';

/** Emulated, on a busy machine: a line that takes longer hangs, ms. */
const HUNG_MS = 600_000;

/** Where the guest has the tree. */
export const TREE = '/maria';

/** Not one that has ended and that nobody has waited for. */
const RUNS = '[ -n "$(readlink /proc/$(cat /server)/exe)" ]';

/** Once, after the boot. */
export async function mountTree(guest: SandboxGuest): Promise<void> {
  await guest.sh(`mkdir -p ${TREE} && mount -t ext4 -o ro /dev/vda ${TREE}`, HUNG_MS);
  await guest.sh(`mount -t tmpfs tmpfs ${TREE}/run && mount -t tmpfs tmpfs ${TREE}/tmp`, HUNG_MS);
  await guest.sh(`mount --bind /dev ${TREE}/dev && mount -t proc proc ${TREE}/proc`, HUNG_MS);
}

/** The tree's programs see at /volume what the guest has mounted at `volume`. */
export async function showVolume(guest: SandboxGuest, volume: string): Promise<void> {
  await guest.sh(`mount --bind ${volume} ${TREE}/volume`, HUNG_MS);
}

/** A server that has ended closes its files a moment after it has no program any more. */
export async function hideVolume(guest: SandboxGuest): Promise<void> {
  const again = 'n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.2';
  await guest.sh(`n=0; until umount ${TREE}/volume; do ${again}; done`, HUNG_MS);
}

/** Started, not yet answering. @param volume as it was shown; `settings` are more arguments of the server */
export async function startServer(guest: SandboxGuest, volume: string, settings: readonly string[]): Promise<void> {
  // A copy of the template, whole or not at all: a guest may be killed meanwhile.
  const copy = `rm -rf ${volume}/new && cp -a ${TREE}/template ${volume}/new && sync`;
  await guest.sh(`[ -d ${volume}/data ] || { ${copy} && mv ${volume}/new ${volume}/data && sync; }`, HUNG_MS);
  const server = ['chroot', TREE, ...SERVER, ...settings].join(' ');
  // Nothing that it says may be lost with the guest's memory: the console is a file of this machine.
  await guest.sh(`${server} </dev/null >/dev/console 2>&1 & echo $! > /server`, HUNG_MS);
}

export const isServerAlive = async (guest: SandboxGuest): Promise<boolean> =>
  (await guest.sh(`if ${RUNS}; then echo yes; fi`)) === 'yes';

export async function serverEnded(guest: SandboxGuest): Promise<void> {
  await guest.sh(`while ${RUNS}; do sleep 0.2; done`, HUNG_MS);
}
