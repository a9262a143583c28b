/** The FlexVolume driver where a kubelet looks for it: missing, not executable, old, or asking another place. */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFlexDriver } from '../../../../src/diagnosis/kubelet/flex-driver.js';

const DEFAULT = '/usr/libexec/kubernetes/kubelet-plugins/volume/exec';
const NODE = '.cephrbd.node-0123456789ab';
let root: string;
let shipped: string;

/** Below the node's root. */
const at = (...names: readonly string[]): string => path.join(root, 'node', ...names);

async function write(file: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
  await chmod(file, mode);
}

/** A kubelet runs, with these arguments. */
async function kubelet(...words: readonly string[]): Promise<void> {
  const own = path.join(root, 'proc/77');
  await write(path.join(own, 'comm'), 'kubelet\n');
  await write(path.join(own, 'cmdline'), ['/usr/bin/kubelet', ...words, ''].join('\0'));
  await symlink(at(), path.join(own, 'root'));
}

/** As the installer leaves it. */
async function install(
  plugins = DEFAULT,
  { socket = '/var/lib/kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock', body = 'program\n' } = {},
): Promise<string> {
  const directory = path.join(plugins, 'hyper~cephrbd');
  const file = path.join(directory, 'cephrbd');
  await write(at(directory, NODE), '\u007fELF', 0o755);
  await write(at(file), `#!${path.join(directory, NODE)}\n${body}`, 0o755);
  await write(at(directory, '.cephrbd.json'), JSON.stringify({ socket, attach: false }));
  return at(file);
}

const check = (directory = '/var/lib/kubelet') =>
  checkFlexDriver({ procRoot: path.join(root, 'proc'), kubelet: directory }, shipped);
const says = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-flex-'));
  shipped = path.join(root, 'cephrbd.cjs');
  await write(shipped, '#!/usr/bin/env node\nprogram\n');
  await mkdir(at('var/lib/kubelet/plugins/rbd.csi.berth.dev'), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('the FlexVolume driver', () => {
  it('of this version, in its place: is well', async () => {
    await kubelet();
    await install();
    expect(await check()).toEqual({ name: 'flexvolume', level: 'ok', says: `${DEFAULT}/hyper~cephrbd/cephrbd` });
  });

  it.each([
    [['--volume-plugin-dir=/opt/flex']],
    [['--volume-plugin-dir', '/opt/flex']],
    [['--config=/var/lib/kubelet/config.yaml']],
  ])('is looked for where the kubelet with %j looks', async (words) => {
    await write(at('var/lib/kubelet/config.yaml'), 'kind: KubeletConfiguration\nvolumePluginDir: /opt/flex\n');
    await kubelet(...words);
    await install('/opt/flex');
    expect(await check()).toMatchObject({ level: 'ok', says: '/opt/flex/hyper~cephrbd/cephrbd' });
  });

  it('that is missing: a warning says where this kubelet looks, and that it is elsewhere', async () => {
    await kubelet('--volume-plugin-dir=/opt/flex');
    expect(await check()).toMatchObject({
      level: 'warning',
      says: says(/^\/opt\/flex, where this kubelet looks, has no/),
    });
    await install();
    expect(await check()).toMatchObject({
      level: 'warning',
      says: says(/there is one in .*volumePlugins: \/opt\/flex/),
    });
  });

  it('whose file is gone, empty or not executable: fails, with the kubelet’s words', async () => {
    await kubelet();
    const file = await install();
    await chmod(file, 0o644);
    expect(await check()).toMatchObject({ level: 'failed', says: says(/may not be executed: permission denied/) });
    await write(file, '', 0o755);
    expect(await check()).toMatchObject({ level: 'failed', says: says(/it is no program/) });
    await rm(file);
    expect(await check()).toMatchObject({ level: 'failed', says: says(/executable file not found/) });
  });

  it('whose copy of Node is gone: fails, and names it', async () => {
    await kubelet();
    await rm(path.join(path.dirname(await install()), NODE));
    expect(await check()).toMatchObject({ level: 'failed', says: says(/interpreter .*cephrbd\.node-.* is not there/) });
  });

  it('of another version: a warning; a single file, which has its own Node, is not compared', async () => {
    await kubelet();
    const file = await install(DEFAULT, { body: 'the program of before\n' });
    expect(await check()).toMatchObject({ level: 'warning', says: says(/it is not the driver of this version/) });
    await write(file, '\u007fELF', 0o755);
    expect(await check()).toMatchObject({ level: 'ok' });
  });

  it('that asks below another root than the kubelet’s: fails', async () => {
    await kubelet();
    await install(DEFAULT);
    expect(await check('/data/kubelet')).toMatchObject({
      ...{ level: 'failed', says: says(/this kubelet's root is \/data\/kubelet: write it into kubelet\.yaml/) },
    });
    await rm(at('var/lib/kubelet'), { recursive: true });
    expect(await check()).toMatchObject({ level: 'failed', says: says(/rbd\.csi\.berth\.dev is not there/) });
  });

  it('where no kubelet can be seen: is not guessed', async () => {
    await mkdir(path.join(root, 'proc'));
    expect(await check()).toMatchObject({ level: 'ok', says: says(/no kubelet can be seen/) });
  });
});
