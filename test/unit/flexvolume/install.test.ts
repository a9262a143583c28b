/**
 * The installer: the kubelet, which watches the directory, never sees half a driver, and nothing new where nothing
 * changed.
 */
import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SOCKET, readSettings } from '../../../flexvolume/settings.js';

const run = promisify(execFile);
let directory: string;
let plugins: string;
let binary: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-install-'));
  plugins = path.join(directory, 'exec');
  binary = path.join(directory, 'built');
  await writeFile(binary, 'x'.repeat(4_000_000));
});
afterEach(() => rm(directory, { recursive: true }));

const install = (...args: string[]) => run('flexvolume/install.sh', ['--plugins', plugins, ...args]);
const home = (): string => path.join(plugins, 'hyper~cephrbd');

describe('the installer', () => {
  it('leaves the binary, executable, and its settings in a dot-file, and nothing else', async () => {
    await install('--socket', '/run/agent.sock', binary);
    expect((await readdir(home())).sort()).toEqual(['.cephrbd.json', 'cephrbd']);
    expect((await stat(path.join(home(), 'cephrbd'))).mode & 0o777).toBe(0o755);
    expect(readSettings(path.join(home(), 'cephrbd'))).toEqual({
      ...{ driver: 'hyper/cephrbd', socket: '/run/agent.sock', attach: false, limitMs: 110_000 },
    });
  });

  it('finds the agent’s socket below the kubelet’s root', async () => {
    await install('--kubelet-dir', '/data/kubelet', binary);
    const { socket } = readSettings(path.join(home(), 'cephrbd'));
    expect(socket).toBe('/data/kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock');
    await install(binary);
    expect(readSettings(path.join(home(), 'cephrbd')).socket).toBe(DEFAULT_SOCKET);
  });

  it('shows the kubelet one name only, and that one complete', async () => {
    await mkdir(home(), { recursive: true });
    const seen: { readonly name: string; readonly size: number }[] = [];
    const watcher = watch(home(), (_event, name) => {
      if (name === null || name.startsWith('.')) return;
      const now = stat(path.join(home(), name)).then(({ size }) => seen.push({ name, size }));
      now.catch(() => seen.push({ name, size: 0 }));
    });
    await install(binary);
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    // And whatever else would be shown.
    await sleep(100);
    watcher.close();
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen.map(({ name, size }) => `${name} ${size}`))).toEqual(new Set(['cephrbd 4000000']));
  });

  it('touches nothing where the same binary is there already, and replaces another', async () => {
    await install(binary);
    const before = await stat(path.join(home(), 'cephrbd'));
    await install(binary);
    expect((await stat(path.join(home(), 'cephrbd'))).ino).toBe(before.ino);
    await writeFile(binary, 'newer');
    await install('--attach', binary);
    expect(await readFile(path.join(home(), 'cephrbd'), 'utf8')).toBe('newer');
    expect(readSettings(path.join(home(), 'cephrbd')).attach).toBe(true);
  });

  it('removes what it installed and no more', async () => {
    await install(binary);
    await install('--remove');
    expect(await readdir(plugins)).toEqual([]);
    await install('--remove');
  });

  it.each(['cephrbd', 'a~b~c', '../x~y', '~x', '.x~y'])('refuses %s, which is not VENDOR~DRIVER', async (driver) => {
    await expect(install('--driver', driver, binary)).rejects.toThrow(/is not VENDOR~DRIVER/);
    expect(await readdir(directory)).not.toContain('exec');
  });
});
