/** Where `npm run dev` keeps its things below the directory that it is given, and what of it is ours to remove. */
import { mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { berthError } from '../model/errors.js';
import { checkDirectoryName, MAX_SOCKET_BYTES } from './ceph/layout.js';
import { settingsFiles, type SettingsFiles } from './settings.js';

export interface DevSite {
  readonly directory: string;
  readonly cluster: string;
  /** Below it lie the files of drivers that have a name, each in a directory of its own. */
  readonly drivers: string;
  /** Where this driver's own files lie: the directory itself for the one without a name. */
  readonly own: string;
  readonly socket: string;
  readonly state: string;
  readonly log: string;
  /** There where the directory itself was made by us. */
  readonly mark: string;
  readonly settings: SettingsFiles;
}

/** @param name of one more driver on the same cluster */
export function siteAt(directory: string, name?: string): DevSite {
  const drivers = path.join(directory, 'drivers');
  const own = name === undefined ? directory : path.join(drivers, name);
  return {
    directory,
    cluster: path.join(directory, 'ceph'),
    drivers,
    own,
    socket: path.join(own, 'csi.sock'),
    state: path.join(own, 'state'),
    log: path.join(own, 'driver.log'),
    mark: path.join(directory, '.made-by-berth'),
    settings: settingsFiles(directory),
  };
}

/** Everything that we make there, but for the mark and the directories that end empty. */
export const madeIn = ({ settings, socket, state, log, drivers }: DevSite): readonly string[] => [
  settings.clusters,
  settings.parameters,
  settings.secrets,
  settings.keys,
  socket,
  state,
  log,
  drivers,
];

/** BERTH_FIELD_INVALID where the socket's path would be longer than the kernel takes. */
function checkSocket({ socket }: DevSite): void {
  const bytes = Buffer.byteLength(socket);
  if (bytes <= MAX_SOCKET_BYTES) return;
  const why = `${socket} has ${bytes} bytes, a unix socket allows ${MAX_SOCKET_BYTES}; choose a shorter directory`;
  throw berthError('BERTH_FIELD_INVALID', { field: '--dir', why });
}

/** BERTH_FIELD_INVALID where the name of a driver is no plain file name. */
function checkName(name: string | undefined): void {
  if (name === undefined || /^[a-z0-9][a-z0-9-]*$/.test(name)) return;
  throw berthError('BERTH_FIELD_INVALID', { field: '--name', why: 'small letters, digits and dashes only' });
}

/**
 * Make the directory if needed. BERTH_FIELD_INVALID where its path cannot hold a cluster or is too long for the socket,
 * or the driver's name is no file name.
 */
export async function openSite(given: string, name?: string): Promise<DevSite> {
  const absolute = path.resolve(given);
  checkName(name);
  checkDirectoryName(absolute);
  checkSocket(siteAt(absolute, name));
  const found = await stat(absolute).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw berthError('BERTH_FIELD_INVALID', { field: '--dir', why: `${absolute} is not a directory` });
  }
  const made = await mkdir(absolute, { recursive: true, mode: 0o700 });
  const site = siteAt(await realpath(absolute), name);
  checkSocket(site);
  await mkdir(site.own, { recursive: true, mode: 0o700 });
  if (made !== undefined) await writeFile(site.mark, '');
  return site;
}
