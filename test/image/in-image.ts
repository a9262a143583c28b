/** Programs of the image as a container runtime starts them, without one: see enter.sh. */
import path from 'node:path';
import { packageRoot } from '../../src/model/package-root.js';

export interface InImage {
  /** The image's unpacked root; it is not changed. */
  readonly root: string;
  /** An empty directory for the mounts of that namespace. */
  readonly scratch: string;
  /** `root`, or who has no capability. */
  readonly user: 'root' | number;
  /** Directories that it sees at the same path. */
  readonly binds: readonly string[];
  /** A root that has QEMU's storage daemon, for the mapper of development. */
  readonly qemu?: string;
}

/** For the `within` of a driver: program and arguments before its command line. */
export const inImage = ({ root, scratch, user, binds, qemu = 'none' }: InImage): readonly string[] => [
  ...['unshare', '--mount', '--propagation', 'private', '--', 'sh'],
  ...[
    path.join(packageRoot(), 'test/image/enter.sh'),
    root,
    scratch,
    packageRoot(),
    String(user),
    qemu,
    ...binds,
    '--',
  ],
];

/** What a process in that namespace has at `file`, seen from outside of it. */
export const seenBy = (pid: number, file: string): string => path.join(`/proc/${pid}/root`, file);

/** The variables that the image gives its programs, by the text of the Dockerfile. */
export function imageEnvironment(dockerfile: string): Readonly<Record<string, string>> {
  const lines = dockerfile.replaceAll(/\\\n/g, ' ').match(/(?<=^ENV ).+$/gm) ?? [];
  const pairs = lines.flatMap((line) => [...line.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)]);
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name!, quoted ?? plain!]));
}
