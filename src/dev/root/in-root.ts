/** Runs programs with the /usr of an unpacked root in the place of the host's, in a mount namespace of their own. */
import { realpathSync } from 'node:fs';
import type { Exec } from '../../host/process/exec.js';

/** The node that runs us stays the same: only the libraries below it are the root's. */
const ENTER = 'mount --bind "$2" "$1/usr/bin/node" && mount --rbind "$1/usr" /usr && shift 2 && exec "$@"';

/**
 * Program and arguments that run `file` with `<root>/usr` as /usr; nothing else of the host is hidden. What the host
 * unmounts goes there as well where its mounts are shared. Where they are private (`findmnt -o PROPAGATION /`) the
 * copies stay, and keep the devices of a run beside it busy until this one ends.
 */
export const argumentsInRoot = (root: string, file: string, args: readonly string[]): readonly [string, string[]] => [
  'unshare',
  [
    ...['--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', ENTER, 'berth-root', root],
    ...[realpathSync(process.execPath), file, ...args],
  ],
];

/** An {@link Exec} whose programs are the root's; without a root those of the host. */
export const inRoot = (exec: Exec, root: string | undefined): Exec =>
  root === undefined ? exec : (file, args, options) => exec(...argumentsInRoot(root, file, args), options);
