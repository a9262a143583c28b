/** The arguments of `npm run demo`. */
import { parseArgs } from 'node:util';
import { RELEASE_OPTIONS, RELEASE_USAGE, type Releases } from '../root/choose-releases.js';

export const USAGE = `usage: npm run demo [-- [--hosts-only] [--ceph RELEASE] [--client RELEASE]]

A volume's whole life on a real Ceph cluster with two nodes, then in virtual machines of Kata and of hyperd, each step
with its time; leaves nothing behind.

  --hosts-only     leave out the virtual machines
${RELEASE_USAGE}                   with it the virtual machines are left out: this machine's QEMU is hidden then
  --help           this text
`;

export interface DemoArguments extends Releases {
  readonly help: boolean;
  /** Are virtual machines a part of it? */
  readonly guests: boolean;
}

/** Throws node's own error for an argument that is not known. */
export function readArguments(args: readonly string[]): DemoArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...RELEASE_OPTIONS,
      'hosts-only': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { help, ceph, client, 'hosts-only': hostsOnly } = values;
  return { help, ceph, client, guests: !hostsOnly && client === undefined };
}
