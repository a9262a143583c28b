/** Is the FlexVolume driver where this node's kubelet looks for it, can it run there, and is it this version's? */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import { isWithin } from '../../host/mount/mountinfo.js';
import type { Finding } from '../../model/finding.js';
import { packageRoot } from '../../model/package-root.js';
import { DEFAULT_PLUGINS, findKubelet, type KubeletSeen } from './kubelet-process.js';

const NAME = 'flexvolume';
/** As the installer names it where nobody says otherwise. */
export const FLEX_DRIVER = 'hyper~cephrbd';

export interface FlexExamined {
  readonly procRoot: string;
  /** The root that this driver was given. */
  readonly kubelet: string;
}

/** @param shipped the driver's script as this version has it */
export async function checkFlexDriver({ procRoot, kubelet }: FlexExamined, shipped = shippedFile()): Promise<Finding> {
  const seen = await findKubelet(procRoot);
  if (seen === undefined)
    return { name: NAME, level: 'ok', says: 'no kubelet can be seen from here, and so not where it looks for drivers' };
  const installed = await installedIn(seen);
  if (installed.length === 0) return { name: NAME, level: 'warning', says: await missing(seen) };
  const wrong = await Promise.all(installed.map((one) => whyUnfit(seen, one, kubelet)));
  const told = wrong.flatMap((why, at) => (why === undefined ? [] : [`${installed[at] ?? ''}: ${why}`]));
  if (told.length > 0) return { name: NAME, level: 'failed', says: told.join('; ') };
  const old = await Promise.all(installed.map((one) => isOld(seen, one, shipped)));
  const outdated = installed.filter((_, at) => old[at] === true);
  if (outdated.length === 0) return { name: NAME, level: 'ok', says: installed.join(', ') };
  const todo = `it is not the driver of this version; ${INSTALL}`;
  return { name: NAME, level: 'warning', says: `${outdated.join(', ')}: ${todo}` };
}

const INSTALL = 'the pod berth-flexvolume of this node installs it, and its log says why where it does not (install)';
const shippedFile = (): string => path.join(packageRoot(), 'dist/flexvolume/cephrbd.cjs');

/** Drivers of ours, as the kubelet names their files: those that have the settings of our installer beside them. */
async function installedIn({ root, plugins }: KubeletSeen): Promise<readonly string[]> {
  const found: string[] = [];
  for (const directory of await readdir(path.join(root, plugins)).catch(() => [])) {
    const [, name = ''] = directory.split('~');
    if (name === '') continue;
    const file = path.join(plugins, directory, name);
    if (directory === FLEX_DRIVER || (await settingsOf(root, file)) !== undefined) found.push(file);
  }
  return found;
}

async function settingsOf(root: string, file: string): Promise<{ readonly socket: string } | undefined> {
  const beside = path.join(root, path.dirname(file), `.${path.basename(file)}.json`);
  try {
    const said = JSON.parse(await readFile(beside, 'utf8')) as { readonly socket?: unknown } | null;
    return typeof said?.socket === 'string' ? { socket: said.socket } : undefined;
  } catch {
    return undefined;
  }
}

async function missing({ root, plugins }: KubeletSeen): Promise<string> {
  const says = `${plugins}, where this kubelet looks, has no driver of Berth: no volume plugin matches in pods' Events`;
  const isElsewhere = plugins !== DEFAULT_PLUGINS && (await isThere(path.join(root, DEFAULT_PLUGINS, FLEX_DRIVER)));
  const hint = isElsewhere ? `; there is one in ${DEFAULT_PLUGINS}: say volumePlugins: ${plugins} in kubelet.yaml` : '';
  return `${says}; ${INSTALL}${hint}`;
}

/** Undefined where nothing keeps the kubelet from running it, or it from its agent. */
async function whyUnfit({ root }: KubeletSeen, file: string, kubelet: string): Promise<string | undefined> {
  const whyNot = await whyNotRun(root, file);
  if (whyNot !== undefined) return whyNot;
  const settings = await settingsOf(root, file);
  if (settings === undefined) return undefined;
  const { socket } = settings;
  if (!isWithin(socket, kubelet))
    return `it asks ${socket}, and this kubelet's root is ${kubelet}: write it into kubelet.yaml, and nowhere else`;
  if (await isThere(path.join(root, path.dirname(socket)))) return undefined;
  return `it asks ${socket}, and ${path.dirname(socket)} is not there: is the kubelet's root another one?`;
}

const EXECUTABLE = 0o111;

async function whyNotRun(root: string, file: string): Promise<string | undefined> {
  const there = await stat(path.join(root, file)).catch(() => undefined);
  if (there === undefined) return `it is not there: executable file not found, says the kubelet; ${INSTALL}`;
  if (!there.isFile() || there.size === 0) return `it is no program; ${INSTALL}`;
  if ((there.mode & EXECUTABLE) === 0) return 'it may not be executed: permission denied, says the kubelet; chmod 0755';
  const interpreter = interpreterOf(await startOf(path.join(root, file)));
  if (interpreter === undefined) return undefined;
  const runs = await stat(path.join(root, interpreter)).catch(() => undefined);
  const isFit = runs?.isFile() === true && (runs.mode & EXECUTABLE) !== 0;
  return isFit ? undefined : `its interpreter ${interpreter} is not there, or may not be executed; ${INSTALL}`;
}

/** What the kernel reads of a script. */
const START_BYTES = 256;

/** The rest of a single file, which has its own Node in it, is never read. */
async function startOf(file: string): Promise<string> {
  const opened = await open(file);
  try {
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
    return buffer.subarray(0, bytesRead).toString('latin1');
  } finally {
    await opened.close();
  }
}

const interpreterOf = (start: string): string | undefined => /^#!\s*(\/\S+)/.exec(start)?.[1];

/** A script is compared without its first line, which the installer writes; a single file is not compared. */
async function isOld({ root }: KubeletSeen, file: string, shipped: string): Promise<boolean> {
  const installed = path.join(root, file);
  if (interpreterOf(await startOf(installed)) === undefined) return false;
  const [own, there] = await Promise.all([shipped, installed].map((one) => readFile(one, 'utf8').catch(() => '')));
  return own !== '' && bodyOf(own ?? '') !== bodyOf(there ?? '');
}

const bodyOf = (script: string): string => script.replace(/^#![^\n]*\n/, '');
