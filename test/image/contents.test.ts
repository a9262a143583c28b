/** What is in the image, and what is not. */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { packageVersion } from '../../src/model/package-root.js';

const { root, ceph } = inject('image');
const at = (file: string): string => path.join(root, file);
const soon = (): Deadline => Deadline.after(60_000);
const said = async (program: string, ...args: string[]): Promise<string> =>
  (await run('chroot', [root, program, ...args], { deadline: soon() })).stdout.trim();

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: { readonly alg: string; readonly content: string }[];
}

const entries = await readdir(root, { recursive: true, withFileTypes: true });
const files = entries.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name));
const bom = JSON.parse(await readFile(at('opt/berth/sbom.cdx.json'), 'utf8')) as {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly Component[];
};
const ofKind = (kind: string): readonly Component[] =>
  bom.components.filter(({ purl }) => purl.startsWith(`pkg:${kind}/`));

describe('the image', () => {
  it('has at most 350 MB', async () => {
    const known = new Map((await Promise.all(files.map((file) => lstat(file)))).map(({ ino, size }) => [ino, size]));
    const bytes = [...known.values()].reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(100e6);
    expect(bytes).toBeLessThan(350e6);
  });

  it('has no file by which one becomes somebody else', async () => {
    const all = await Promise.all(files.map(async (file) => ({ file, mode: (await lstat(file)).mode })));
    expect(all.filter(({ mode }) => (mode & 0o6000) !== 0)).toEqual([]);
  });

  it('has neither a package manager´s sources nor a compiler, an interpreter or a development driver', () => {
    const unwanted = /\/(etc\/apt|usr\/bin\/(apt|gcc|perl|python3|npm)|opt\/berth\/(src|dist\/dev|dist\/src\/dev))\b/;
    expect(files.map((file) => file.slice(root.length)).filter((file) => unwanted.test(file))).toEqual([]);
  });

  it('starts berth by its name, with Node 24 and the client of the Ceph that was asked for', async () => {
    expect(await said('berth', '--version')).toContain(packageVersion());
    expect(await said('berth', 'doctor', '--help')).toContain('--clusters');
    expect(await said('node', '--version')).toMatch(/^v24\./);
    expect(await said('rbd', '--version')).toMatch(new RegExp(`^ceph version ${ceph}\\.`));
  });
});

describe('its SBOM', () => {
  it('is CycloneDX, of this version', () => {
    expect([bom.bomFormat, bom.specVersion]).toEqual(['CycloneDX', '1.6']);
    expect(bom.metadata.component).toMatchObject({ name: 'berth', version: packageVersion() });
  });

  it('lists every package that dpkg has, and no other', async () => {
    const list = await said('dpkg-query', '--show', '--showformat', '${Package} ${Version} ${db:Status-Status}\n');
    const there = list.split('\n').filter((line) => / (installed|unpacked)$/.test(line));
    const expected = there.map((line) => line.split(' ').slice(0, 2).join(' '));
    expect(
      ofKind('deb')
        .map(({ name, version }) => `${name} ${version}`)
        .toSorted(),
    ).toEqual(expected.toSorted());
    expect(expected.length).toBeGreaterThan(40);
    expect(expected.join()).toContain(`librbd1 ${ceph}.`);
  });

  it('lists what dpkg knows nothing of: node, and the packages of npm', async () => {
    const sum = createHash('sha256')
      .update(await readFile(at('usr/local/bin/node')))
      .digest('hex');
    const [node] = ofKind('generic');
    expect(node).toMatchObject({ name: 'node', hashes: [{ alg: 'SHA-256', content: sum }] });
    const lock = JSON.parse(await readFile(at('opt/berth/node_modules/.package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, { readonly version: string }>>;
    };
    const locked = Object.entries(lock.packages).map(
      ([place, { version }]) => `${place.replace(/^.*node_modules\//, '')} ${version}`,
    );
    expect(
      ofKind('npm')
        .map(({ name, version }) => `${name} ${version}`)
        .toSorted(),
    ).toEqual(locked.toSorted());
    expect(locked.join()).toContain('koffi ');
  });
});
