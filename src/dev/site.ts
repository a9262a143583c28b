/** Where `npm run dev` keeps its things below the directory that it is given, and what of it is ours to remove. */
import { mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../model/errors.js';
import { checkDirectoryName, MAX_SOCKET_BYTES } from './ceph/layout.js';
import { settingsFiles, type SettingsFiles } from './settings.js';

export interface DevSite {
  readonly directory: string;
  readonly cluster: string;
  readonly socket: string;
  readonly state: string;
  readonly log: string;
  /** There where the directory itself was made by us. */
  readonly mark: string;
  readonly settings: SettingsFiles;
}

export const siteAt = (directory: string): DevSite => ({
  directory,
  cluster: path.join(directory, 'ceph'),
  socket: path.join(directory, 'csi.sock'),
  state: path.join(directory, 'state'),
  log: path.join(directory, 'driver.log'),
  mark: path.join(directory, '.made-by-berth'),
  settings: settingsFiles(directory),
});

/** Everything that we make there, but for the mark and the directories that end empty. */
export const madeIn = ({ settings, socket, state, log }: DevSite): readonly string[] => [
  ...[settings.clusters, settings.parameters, settings.secrets, settings.keys],
  ...[socket, state, log],
];

/** BERTH_FIELD_INVALID where the socket's path would be longer than the kernel takes. */
function checkSocket({ socket }: DevSite): void {
  const bytes = Buffer.byteLength(socket);
  if (bytes <= MAX_SOCKET_BYTES) return;
  const why = `${socket} has ${bytes} bytes, a unix socket allows ${MAX_SOCKET_BYTES}; choose a shorter directory`;
  throw berthError('BERTH_FIELD_INVALID', { field: '--dir', why });
}

/**
 * Make the directory if needed; BERTH_FIELD_INVALID where its path cannot hold a cluster or is too long for the socket.
 */
export async function openSite(given: string): Promise<DevSite> {
  const absolute = path.resolve(given);
  checkDirectoryName(absolute);
  checkSocket(siteAt(absolute));
  const found = await stat(absolute).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw berthError('BERTH_FIELD_INVALID', { field: '--dir', why: `${absolute} is not a directory` });
  }
  const made = await mkdir(absolute, { recursive: true, mode: 0o700 });
  const site = siteAt(await realpath(absolute));
  checkSocket(site);
  if (made !== undefined) await writeFile(site.mark, '');
  return site;
}
