/** A kernel made of files, and the fake rbd programs that change it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { vi } from 'vitest';
import { run, type Exec } from '../../../../src/host/process/exec.js';
import { Secret } from '../../../../src/model/secret.js';
import type { MapRequest } from '../../../../src/rbd/mapping/mapper.js';
import type { KernelRoots } from '../../../../src/rbd/mapping/roots.js';

const BIN = path.resolve('test/fixtures/bin');
export const FSID = 'f5c0a1de-0000-4000-8000-000000000001';
export const KEY = 'AQBsecretsecretsecretsecretsecretsecret==';

export interface KernelFixture {
  readonly directory: string;
  readonly roots: KernelRoots;
  /** The real one, with the fake programs first on the path and told how to behave. */
  readonly exec: Exec;
  behave(mode: string, more?: Readonly<Record<string, string>>): void;
  write(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
  /** Command lines of the fake programs. */
  calls(): Promise<readonly string[]>;
  remove(): Promise<void>;
}

export async function kernelFixture(): Promise<KernelFixture> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-kernel-'));
  const roots = {
    sys: path.join(directory, 'sys'),
    dev: path.join(directory, 'dev'),
    proc: path.join(directory, 'proc'),
  };
  vi.stubEnv('PATH', `${BIN}:${process.env['PATH'] ?? ''}`);
  let env: Readonly<Record<string, string>> = {};
  const fixed = { FAKE_SYS: roots.sys, FAKE_PROC: roots.proc, FAKE_FSID: FSID };
  const fixture: KernelFixture = {
    directory,
    roots,
    exec: (file, args, options) => run(file, args, { ...options, env: { ...options.env, ...fixed, ...env } }),
    behave: (mode, more = {}) => (env = { FAKE_MODE: mode, ...more }),
    write: async (file, text) => {
      await mkdir(path.dirname(path.join(directory, file)), { recursive: true });
      await writeFile(path.join(directory, file), text);
    },
    read: async (file) => (await readFile(path.join(directory, file), 'utf8')).trimEnd(),
    calls: async () => (await fixture.read('sys/calls').catch(() => '')).split('\n').filter((line) => line !== ''),
    remove: async () => {
      vi.unstubAllEnvs();
      await rm(directory, { recursive: true, force: true });
    },
  };
  for (const file of ['dev/null', 'sys/bus/rbd/add', 'sys/module/nbd/parameters/nbds_max'])
    await fixture.write(file, '16\n');
  await fixture.write('sys/bus/rbd/supported_features', '0x1bf\n');
  await fixture.write('proc/self/mountinfo', '');
  return fixture;
}

export const mapRequest = (more: Partial<MapRequest> = {}, image = 'i'): MapRequest => ({
  image: {
    access: { cluster: 'dev', monitors: ['[v2:10.0.0.1:3300,v1:10.0.0.1:6789]'], user: 'berth', key: new Secret(KEY) },
    pool: 'p',
    namespace: '',
    image,
  },
  fsid: FSID,
  readOnly: false,
  features: ['layering', 'exclusive-lock'],
  options: '',
  ioTimeoutSeconds: 0,
  ...more,
});
