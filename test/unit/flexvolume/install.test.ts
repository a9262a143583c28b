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
import { packageRoot } from '../../../src/model/package-root.js';

const run = promisify(execFile);
const SUCCESS = `echo '{"status":"Success"}'`;
let directory: string;
let plugins: string;
let kubelet: string;
let binary: string;

/** A driver that does this when it is started. */
const drives = (what: string): Promise<void> => writeFile(binary, `#!/bin/sh\n${what}\nexit 0\n`);

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-install-'));
  plugins = path.join(directory, 'exec');
  kubelet = path.join(directory, 'kubelet');
  binary = path.join(directory, 'built');
  await drives(SUCCESS);
});
afterEach(() => rm(directory, { recursive: true }));

const install = (...args: string[]) => run('flexvolume/install.sh', ['--plugins', plugins, ...args]);
const home = (): string => path.join(plugins, 'hyper~cephrbd');
const installed = (): string => path.join(home(), 'cephrbd');
const files = async (): Promise<string[]> => (await readdir(home())).sort();
const says = async (...args: string[]): Promise<string> => (await run(installed(), args)).stdout;

describe('the installer', () => {
  it('leaves the binary, executable, and its settings in a dot-file, and nothing else', async () => {
    await install('--socket', '/run/agent.sock', binary);
    expect(await files()).toEqual(['.cephrbd.json', 'cephrbd']);
    expect((await stat(installed())).mode & 0o777).toBe(0o755);
    expect(readSettings(installed())).toEqual({
      ...{ driver: 'hyper/cephrbd', socket: '/run/agent.sock', attach: false, limitMs: 110_000 },
    });
  });

  it('finds the agent’s socket below the kubelet’s root', async () => {
    await install('--kubelet-dir', '/data/kubelet', binary);
    const { socket } = readSettings(installed());
    expect(socket).toBe('/data/kubelet/plugins/rbd.csi.berth.dev/flexvolume.sock');
    await install(binary);
    expect(readSettings(installed()).socket).toBe(DEFAULT_SOCKET);
  });

  it('shows the kubelet one name only, and that one complete', async () => {
    await drives(`${SUCCESS}\nexit 0\n${'x'.repeat(4_000_000)}`);
    const { size: whole } = await stat(binary);
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
    expect(new Set(seen.map(({ name, size }) => `${name} ${size}`))).toEqual(new Set([`cephrbd ${whole}`]));
  });

  it('touches nothing where the same binary is there already, and replaces another', async () => {
    await install(binary);
    const before = await stat(installed());
    await install(binary);
    expect((await stat(installed())).ino).toBe(before.ino);
    await drives(`${SUCCESS} # newer`);
    await install('--attach', binary);
    expect(await readFile(installed(), 'utf8')).toContain('newer');
    expect(readSettings(installed()).attach).toBe(true);
  });

  it('removes what it installed and no more', async () => {
    await install(binary);
    await drives(`${SUCCESS} # newer`);
    await install(binary);
    await install('--kubelet-dir', kubelet, '--remove');
    expect(await readdir(plugins)).toEqual([]);
    await install('--remove');
  });

  it('removes nothing while a pod has a volume by it', async () => {
    await install(binary);
    const volume = path.join(kubelet, 'pods/6a1d5e0c/volumes/hyper~cephrbd/data');
    await mkdir(volume, { recursive: true });
    const removed = install('--kubelet-dir', kubelet, '--remove');
    await expect(removed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(volume) as string });
    expect(await says('init')).toContain('Success');
  });

  it.each(['cephrbd', 'a~b~c', '../x~y', '~x', '.x~y'])('refuses %s, which is not VENDOR~DRIVER', async (driver) => {
    await expect(install('--driver', driver, binary)).rejects.toThrow(/is not VENDOR~DRIVER/);
    expect(await readdir(directory)).not.toContain('exec');
  });

  it('takes an option and its value as one word, too', async () => {
    await install('--socket=/run/a=b.sock', binary);
    expect(readSettings(installed()).socket).toBe('/run/a=b.sock');
  });

  it('has help, and names it to who misspells an option or forgets the binary', async () => {
    expect((await install('--help')).stdout).toMatch(/^usage: install\.sh/);
    for (const wrong of [['--plugin', 'x'], ['--driver'], [], ['--rollback', binary]]) {
      await expect(install(...wrong)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/--help/) as string,
      });
    }
  });
});

describe('a driver that does not answer init', () => {
  it.each(['exit 127', 'echo killed', `echo '{"status":"Failure"}'`, `${SUCCESS}\nexit 1`])(
    'is not installed (%s): the one before stays, with its settings',
    async (what) => {
      await install('--socket', '/run/first.sock', binary);
      const before = [await readFile(installed(), 'utf8'), readSettings(installed())];
      await drives(what);
      await expect(install('--socket', '/run/second.sock', binary)).rejects.toThrow(/nothing was changed/);
      expect([await readFile(installed(), 'utf8'), readSettings(installed())]).toEqual(before);
      expect(await files()).toEqual(['.cephrbd.json', 'cephrbd']);
    },
  );

  it('leaves nothing where there was none', async () => {
    await drives('exit 1');
    await expect(install(binary)).rejects.toThrow(/does not run on this node/);
    expect(await readdir(plugins)).toEqual([]);
  });

  it('is told of in its own words', async () => {
    await drives('echo "libstdc++.so.6: cannot open shared object file"; exit 127');
    await expect(install(binary)).rejects.toThrow(/libstdc\+\+\.so\.6: cannot open.*exit code 127/);
  });

  it('in its own place only goes back to the one before, with its settings', async () => {
    await install('--socket', '/run/first.sock', binary);
    await drives(`case "$0" in *.new) ${SUCCESS} ;; *) echo broken ;; esac`);
    await expect(install('--socket', '/run/second.sock', binary)).rejects.toThrow(
      /version before is there again: broken/,
    );
    expect(await says('init')).toContain('Success');
    expect(readSettings(installed()).socket).toBe('/run/first.sock');
    expect(await files()).toEqual(['.cephrbd.json', 'cephrbd']);
  });

  it('in its own place only is removed again where there was none', async () => {
    await drives(`case "$0" in *.new) ${SUCCESS} ;; *) echo broken ;; esac`);
    await expect(install(binary)).rejects.toThrow(/was removed again: broken/);
    expect(await readdir(plugins)).toEqual([]);
  });
});

describe('the version before', () => {
  it('comes back by --rollback, and the newer one after it', async () => {
    await drives(`${SUCCESS} # one`);
    await install(binary);
    await expect(install('--rollback')).rejects.toThrow(/no version before/);
    await drives(`${SUCCESS} # two`);
    await install(binary);
    await install('--rollback');
    expect(await readFile(installed(), 'utf8')).toContain('# one');
    await install('--rollback');
    expect(await readFile(installed(), 'utf8')).toContain('# two');
  });

  it('does not come back where it does not run any more', async () => {
    const mark = path.join(directory, 'mark');
    await writeFile(mark, '');
    await drives(`[ -e ${mark} ] && ${SUCCESS} # one`);
    await install(binary);
    await drives(`${SUCCESS} # two`);
    await install(binary);
    await rm(mark);
    await expect(install('--rollback')).rejects.toThrow(/nothing was changed/);
    expect(await readFile(installed(), 'utf8')).toContain('# two');
  });
});

describe('a driver that is a script', () => {
  const nodes = async (): Promise<string[]> => (await files()).filter((name) => name.includes('.node-'));

  it('runs on a copy of the node that is given, and knows its settings', async () => {
    const script = path.join(packageRoot(), 'dist/flexvolume/cephrbd.cjs');
    await install('--socket', path.join(directory, 'no.sock'), '--node', process.execPath, script);
    expect(await nodes()).toHaveLength(1);
    expect(JSON.parse(await says('init'))).toMatchObject({ status: 'Success', capabilities: { attach: false } });
    expect(JSON.parse(await says('mount', path.join(directory, 'x'), '{}'))).toMatchObject({
      status: 'Failure',
      message: expect.stringContaining(path.join(directory, 'no.sock')) as string,
    });
  });

  it('keeps its own copy and that of the version before, and no third one', async () => {
    const shells = await Promise.all(
      ['one', 'two', 'three'].map(async (name) => {
        const file = path.join(directory, name);
        await writeFile(file, `#!/bin/sh\nexec /bin/sh "$@" # ${name}\n`, { mode: 0o755 });
        return file;
      }),
    );
    const seen: string[][] = [];
    for (const shell of shells) {
      await install('--node', shell, binary);
      expect(await says('init')).toContain('Success');
      seen.push(await nodes());
    }
    expect(seen.map((one) => one.length)).toEqual([1, 2, 2]);
    expect(seen[2]).not.toContain(seen[0]![0]);
    await install('--rollback');
    expect(await says('init')).toContain('Success');
  });

  it('is refused where its path is longer than the kernel reads', async () => {
    const far = path.join(plugins, 'x'.repeat(120));
    await expect(install('--plugins', far, '--node', '/bin/sh', binary)).rejects.toThrow(/too long a path/);
  });
});
