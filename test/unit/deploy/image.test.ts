/**
 * The image: its files exist, its programs are those that the driver starts, and its liveness check tells a stuck
 * process from a live one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { identityService } from '../../../src/csi/identity-service.js';
import { packageVersion } from '../../../src/model/package-root.js';
import { parseBytes } from '../../../src/model/quantity.js';
import { edge as newEdge } from '../csi/edge.js';
import { container, pods, root, text } from './objects.js';

/** One line for each instruction. */
const instructions = text('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line !== '');
const of = (name: string): string[] => instructions.filter((line) => line.startsWith(`${name} `));
const defaults = new Map(
  of('ARG').map((line): [string, string] => [line.slice(4).split('=')[0]!, line.split('=')[1] ?? '']),
);
const filled = (line: string): string => line.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => defaults.get(name) ?? '');

/** Files that the image takes from the repository. */
const copied = of('COPY')
  .filter((line) => !line.includes('--from='))
  .flatMap((line) => filled(line).split(/\s+/).slice(1, -1));

describe('the Dockerfile', () => {
  it('copies only what exists and what .dockerignore lets through', () => {
    const allowed = text('.dockerignore').match(/(?<=^!).+$/gm) ?? [];
    expect(copied.length).toBeGreaterThan(5);
    for (const file of copied) {
      expect(existsSync(path.join(root, file)), file).toBe(true);
      expect(
        allowed.some((one) => file === one || file.startsWith(`${one}/`)),
        file,
      ).toBe(true);
    }
    expect(text('.dockerignore').split('\n')).toContain('src/dev');
  });

  it('starts from bases that are pinned by digest, on whatever architecture is asked for', () => {
    const images = of('FROM').map((line) => filled(line).replace('--platform=$BUILDPLATFORM ', '').split(' ')[1]!);
    const bases = [...new Set(images)].filter((image) => image !== 'scratch');
    expect(bases.map((image) => image.split('@')[0])).toEqual([
      `node:${defaults.get('NODE_VERSION')}-trixie-slim`,
      'debian:trixie-slim',
    ]);
    for (const image of bases) expect(image).toMatch(/@sha256:[0-9a-f]{64}$/);
    const ofArchitecture = /amd64|arm64|x64/g;
    expect(of('FROM').join().match(ofArchitecture)).toBeNull();
  });

  it('ships the one Node 24 that it names, of each architecture the very file', () => {
    expect(defaults.get('NODE_VERSION')).toMatch(/^24\./);
    for (const arch of ['AMD64', 'ARM64']) expect(defaults.get(`NODE_SHA256_${arch}`)).toMatch(/^[0-9a-f]{64}$/);
    const [dependencies] = of('RUN').filter((line) => line.includes('NODE_SHA256_AMD64'));
    expect(dependencies).toMatch(/echo "\$sum {2}node" \| sha256sum --check *$/);
  });

  it('starts the program of package.json, which is where its manifests look for the liveness check', () => {
    const { bin } = JSON.parse(text('package.json')) as { bin: { berth: string } };
    expect(of('ENTRYPOINT')).toEqual([`ENTRYPOINT ["node", "/opt/berth/${bin.berth}"]`]);
    for (const pod of Object.values(pods)) {
      const [, file = ''] = container(pod, 'berth').livenessProbe?.exec?.command ?? [];
      expect(copied.map((one) => `/opt/berth/${one}`)).toContain(file);
    }
  });

  it('has the program in its PATH, under the name that package.json gives it', () => {
    const { bin } = JSON.parse(text('package.json')) as { bin: { berth: string } };
    expect(text('Dockerfile')).toContain(`ln -s /opt/berth/${bin.berth} /usr/local/bin/berth`);
    expect(text('Dockerfile')).toContain(`chmod 0755 ${bin.berth}`);
    expect(text('src/main.ts')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('carries the version of the package', () => {
    expect(defaults.get('VERSION')).toBe(packageVersion());
  });

  it('looks for every program that the driver starts', () => {
    const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((file) => file.endsWith('.ts') && !/^(dev|csi\/gen)\//.test(file));
    const started = sources.flatMap((file) =>
      [...text(`src/${file}`).matchAll(/\b(?:exec|Exec|ask|runToAnswer)\((?:[\w#.]+, )*'([a-z][\w.-]*)',? [[(]/g)].map(
        (one) => one[1]!,
      ),
    );
    expect(started.length).toBeGreaterThan(10);
    const looked = /for program in ([^;]+);/.exec(of('RUN').join('\n'))?.[1]?.trim().split(/\s+/);
    expect(looked).toEqual(expect.arrayContaining([...new Set(started), 'mkfs.ext4', 'mkfs.xfs']));
  });

  it('gives both processes heaps that fit the memory of their container', () => {
    const heap = (from: string): number => Number(/--max-old-space-size=(\d+)/.exec(from)?.[1]) * 2 ** 20;
    const both = heap(of('ENV').join()) + heap(text('src/rbd/librbd/driver/worker-process.ts'));
    expect(both).toBeGreaterThan(0);
    for (const pod of Object.values(pods)) {
      // What is not heap: two Node processes, librados, and the liveness check.
      const rest = 3 * 45 * 2 ** 20;
      expect(both + rest).toBeLessThan(parseBytes(container(pod, 'berth').resources.limits.memory)!);
    }
  });
});

describe('the liveness check', () => {
  const edge = newEdge();
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  function start(...args: string[]): ChildProcess {
    // Without NODE_ variables: some of them slow a start down by more than the check's patience.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_')));
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    return child;
  }

  async function check(socket: string, patienceMs = 8000): Promise<{ code: number | null; said: string }> {
    const child = start(path.join(root, 'deploy/image/alive.js'), socket, String(patienceMs));
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  }

  it('passes for a driver that serves, also one that is not ready', async () => {
    const readiness = () => ({ ready: false, why: 'clusters: no answer' });
    await edge.serve({ Identity: identityService({ readiness }) });
    expect(await check(`${edge.directory}/csi.sock`)).toEqual({ code: 0, said: '' });
  });

  it('fails for a driver whose process stands still, although the kernel still accepts connections', async () => {
    const socket = `${edge.directory}/stuck.sock`;
    const serve = `require('node:http2').createServer().listen(${JSON.stringify(socket)})`;
    const stuck = start('--eval', serve);
    while (!existsSync(socket)) await sleep(20);
    expect((await check(socket)).code).toBe(0);
    stuck.kill('SIGSTOP');
    await new Promise<void>((resolve, reject) => {
      const accepted = connect(socket, () => {
        accepted.destroy();
        resolve();
      }).once('error', reject);
    });
    const { code, said } = await check(socket, 500);
    expect(code).toBe(1);
    expect(said).toContain('no answer in 500 ms');
  });

  it('fails where nobody serves, and for a server that hangs up', async () => {
    expect((await check(`${edge.directory}/nobody.sock`)).said).toContain('ENOENT');
    const rude = createServer((connection) => connection.destroy()).listen(`${edge.directory}/rude.sock`);
    await once(rude, 'listening');
    expect((await check(`${edge.directory}/rude.sock`)).code).toBe(1);
    rude.close();
  });
});
