/**
 * apt with a configuration and a memory of its own: it reads another suite of the host's own mirror, and changes
 * nothing on the host.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import type { Suite } from './release.js';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SOURCES = ['/etc/apt/sources.list', '/etc/apt/sources.list.d'];

/**
 * Download these packages of a suite with all that they need, into `directory`. Answers the files.
 * BERTH_PACKAGES_MISSING where this machine knows no mirror of Debian, BERTH_COMMAND_FAILED, DEADLINE.
 */
export async function downloadPackages(
  exec: Exec,
  directory: string,
  suite: Suite,
  packages: readonly string[],
  deadline: Deadline,
): Promise<readonly string[]> {
  const at = (name: string): string => path.join(directory, name);
  const archives = at('cache/archives');
  const needed = ['lists/partial', 'cache/archives/partial', 'etc/apt.conf.d', 'etc/preferences.d', 'log'];
  for (const part of needed) await mkdir(at(part), { recursive: true });
  const mirror = await debianMirror();
  if (mirror === undefined) {
    throw berthError('BERTH_PACKAGES_MISSING', { what: `a mirror of Debian ${suite}`, packages: packages.join(' ') });
  }
  await writeFile(at('etc/sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  // Nothing is installed, as this apt believes: so all that is needed comes along.
  await writeFile(at('status'), '');
  await writeFile(at('apt.conf'), configuration(directory));
  const options = { deadline, env: { APT_CONFIG: at('apt.conf'), DEBIAN_FRONTEND: 'noninteractive' } };
  await exec('apt-get', ['-q', 'update'], options);
  await exec('apt-get', ['-q', '-y', '--download-only', 'install', ...packages], options);
  return (await readdir(archives)).filter((name) => name.endsWith('.deb')).map((name) => path.join(archives, name));
}

/** A mirror that stands still is as good: signatures are checked, and nothing of it is shipped. */
const configuration = (directory: string): string => `Dir::State "${directory}";
Dir::State::lists "${directory}/lists";
Dir::State::status "${directory}/status";
Dir::Cache "${directory}/cache";
Dir::Etc "${directory}/etc";
Dir::Log "${directory}/log";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
`;

/** Where the host itself gets Debian from; undefined where it is another distribution. */
export async function debianMirror(): Promise<string | undefined> {
  for (const file of (await Promise.all(SOURCES.map(filesAt))).flat()) {
    const mirror = mirrorIn(await readFile(file, 'utf8').catch(() => ''));
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

async function filesAt(place: string): Promise<readonly string[]> {
  const names = await readdir(place).catch(() => undefined);
  return names === undefined ? [place] : names.map((name) => path.join(place, name));
}

/** The first mirror of Debian's archive in the text of a file of sources, of either format. */
export function mirrorIn(text: string): string | undefined {
  const uris = text
    .split('\n')
    .filter((line) => /^(deb\s|URIs:)/.test(line))
    .flatMap((line) => line.split(/\s+/).filter((word) => /^(https?|file|mirror\+\w+):/.test(word)));
  return uris.find((uri) => /\/debian\/?$/.test(uri));
}
