/** Runs programs with the /usr of an unpacked root in the place of the host's, in a mount namespace of their own. */
import { realpathSync } from 'node:fs';
import os from 'node:os';
import type { Exec } from '../../host/process/exec.js';

/**
 * The node that runs us stays the same: only the libraries below it are the root's. Mounts that other runs have of
 * their devices are let go of first: copies in this namespace would keep those devices busy for as long as we run.
 */
const ENTER = [
  `for at in $(awk -v own="$3/berth-" 'index($5, own) == 1 { print $5 }' /proc/self/mountinfo); do`,
  '  umount -l "$at" 2> /dev/null; done',
  'mount --bind "$2" "$1/usr/bin/node" && mount --rbind "$1/usr" /usr && shift 3 && exec "$@"',
].join('\n');

/** Program and arguments that run `file` with `<root>/usr` as /usr; nothing else of the host is hidden. */
export const argumentsInRoot = (root: string, file: string, args: readonly string[]): readonly [string, string[]] => [
  'unshare',
  [
    ...['--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', ENTER, 'berth-root', root],
    ...[realpathSync(process.execPath), realpathSync(os.tmpdir()), file, ...args],
  ],
];

/** An {@link Exec} whose programs are the root's; without a root those of the host. */
export const inRoot = (exec: Exec, root: string | undefined): Exec =>
  root === undefined ? exec : (file, args, options) => exec(...argumentsInRoot(root, file, args), options);
