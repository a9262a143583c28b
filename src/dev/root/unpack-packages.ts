/** Unpacks packages of Debian into one tree, without their scripts and without what people read. */
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';

/** The same whether a package still has /lib or already /usr/lib. */
const MERGED_USR = String.raw`s,^\./\(bin\|sbin\|lib\|lib64\)/,./usr/\1/,`;
const UNWANTED = ['./usr/share/doc', './usr/share/man', './usr/share/locale', './usr/share/info'];
const PARALLEL = 2;

/** Part of the name of what is cached: another way to unpack is another content. */
export const HOW_UNPACKED: readonly string[] = [...UNWANTED, MERGED_USR];

/** All below `target`, as on a host whose /lib is a link to usr/lib. BERTH_COMMAND_FAILED, DEADLINE. */
export async function unpackPackages(
  exec: Exec,
  files: readonly string[],
  target: string,
  deadline: Deadline,
): Promise<void> {
  const exclude = UNWANTED.map((pattern) => `--exclude=${pattern}`).join(' ');
  const how = `${exclude} --transform '${MERGED_USR}' --keep-directory-symlink`;
  const script = `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" ${how}`;
  const left = [...files];
  const worker = async (): Promise<void> => {
    for (let file = left.pop(); file !== undefined; file = left.pop()) {
      await exec('bash', ['-o', 'pipefail', '-c', script, 'unpack', file, target], { deadline });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}
