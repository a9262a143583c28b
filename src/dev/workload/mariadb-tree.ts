/**
 * MariaDB of Debian 12, unpacked and never installed: a tree for a chroot, and the same as a read-only disk of a guest.
 * Both have a data directory that was initialised once.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';
import { guestCache } from '../guest/unpacked.js';
import { cachedDirectory } from '../root/cached-directory.js';
import { downloadPackages } from '../root/private-apt.js';
import { HOW_UNPACKED, unpackPackages } from '../root/unpack-packages.js';

const PACKAGES = ['mariadb-server-core', 'mariadb-client-core'];
/** mariadb-slap, and what measures a disk. */
const MEASURING = ['mariadb-client', 'fio', 'git'];
const SUITE = 'bookworm';
const MEGABYTES = { commit: 30, measure: 100 } as const;
const MINUTES_MS = 900_000;

/** Mount points in the tree: the volume, and what the server writes beside it. */
const PLACES = ['volume', 'run', 'tmp', 'proc', 'dev', 'old'];
/** As mariadb-install-db reads them. */
const TABLES = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql'];

/**
 * Small, and durable: what is acknowledged has to be on the disk. The data lies below the volume's root, where ext4 has
 * lost+found. A change here makes a new tree.
 */
const SETTINGS = `[mariadbd]
user = root
socket = /run/mariadb.sock
pid-file = /run/mariadb.pid
tmpdir = /tmp
datadir = /volume/data
skip-name-resolve
skip-grant-tables
performance-schema = off
innodb-flush-log-at-trx-commit = 1
innodb-flush-method = O_DIRECT
innodb-log-file-size = 8M
innodb-buffer-pool-size = 8M
innodb-log-buffer-size = 1M
innodb-data-file-path = ibdata1:12M:autoextend
innodb-autoextend-increment = 1
innodb-use-native-aio = 0
innodb-read-io-threads = 1
innodb-write-io-threads = 1
innodb-purge-threads = 1
key-buffer-size = 64K
aria-pagecache-buffer-size = 1M
query-cache-size = 0
table-open-cache = 64
max-connections = 200
thread-stack = 256K
`;

export interface MariadbTree {
  /** Root of a tree with MariaDB: `usr/sbin/mariadbd`, `etc/berth.cnf`, `template` (an initialised data directory). */
  readonly tree: string;
  /** An ext4 image of it. */
  readonly image: string;
}

const soon = (): Deadline => Deadline.after(MINUTES_MS);

/**
 * From the cache, or made there; `say` is told before anything is downloaded. BERTH_COMMAND_FAILED, DEADLINE.
 * @param use `measure`: with fio, git and mariadb-slap
 */
export async function mariadbTree(
  say: (line: string) => void,
  use: 'commit' | 'measure' = 'commit',
): Promise<MariadbTree> {
  const packages = use === 'commit' ? PACKAGES : [...PACKAGES, ...MEASURING];
  const what = [...packages, ...HOW_UNPACKED, ...PLACES, ...TABLES, SETTINGS].join('\n');
  const key = createHash('sha256').update(what).digest('hex').slice(0, 12);
  const target = path.join(guestCache(), `mariadb-${key}`);
  await cachedDirectory(target, async (draft) => {
    say(`downloading MariaDB of Debian ${SUITE} (${MEGABYTES[use]} MB) and unpacking it into ${target}`);
    const files = await downloadPackages(run, path.join(draft, 'apt'), SUITE, packages, soon());
    const tree = path.join(draft, 'tree');
    await mkdir(tree);
    await unpackPackages(run, files, tree, soon());
    await rm(path.join(draft, 'apt'), { recursive: true });
    await furnish(tree);
    await initialise(tree);
    await makeImage(tree, path.join(draft, 'image'));
  });
  return { tree: path.join(target, 'tree'), image: path.join(target, 'image') };
}

async function furnish(tree: string): Promise<void> {
  const at = (name: string): string => path.join(tree, name);
  for (const name of PLACES) await mkdir(at(name), { recursive: true });
  await chmod(at('tmp'), 0o1777);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    // Moved, but for the directories themselves.
    await rmdir(at(name)).catch(() => undefined);
    await symlink(`usr/${name}`, at(name)).catch(() => undefined);
  }
  await writeFile(at('etc/berth.cnf'), SETTINGS);
}

/** What mariadb-install-db does, with the host's processor: under emulation it takes minutes. */
async function initialise(tree: string): Promise<void> {
  const texts = await Promise.all(TABLES.map((name) => readFile(path.join(tree, 'usr/share/mysql', name), 'utf8')));
  const sql = ['CREATE DATABASE mysql;', 'CREATE DATABASE w;', 'USE mysql;', ...texts].join('\n');
  await mkdir(path.join(tree, 'volume/data'));
  const server = [tree, '/usr/sbin/mariadbd', '--defaults-file=/etc/berth.cnf', '--bootstrap'];
  await run('chroot', server, { deadline: soon(), input: sql });
  await rename(path.join(tree, 'volume/data'), path.join(tree, 'template'));
  for (const name of await readdir(path.join(tree, 'tmp'))) await rm(path.join(tree, 'tmp', name));
}

async function makeImage(tree: string, image: string): Promise<void> {
  const { stdout } = await run('du', ['-sm', tree], { deadline: soon() });
  const size = `${Math.ceil(Number.parseInt(stdout, 10) * 1.2) + 16}M`;
  await run('mkfs.ext4', ['-q', '-O', '^has_journal', '-m', '0', '-d', tree, image, size], { deadline: soon() });
}
