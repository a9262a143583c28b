/**
 * `npm run build:flexvolume [amd64|arm64 ...]`: the binary `cephrbd` as one file for each architecture, by pkg on a
 * stock Node.
 */
import { createHash } from 'node:crypto';
import { access, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { BASES, VERSION, type Architecture } from './bases.js';

const TOOLS = path.resolve('flexvolume/build/node_modules');
const OUT = path.resolve('dist/flexvolume/bin');
const CACHE = path.resolve('dist/flexvolume/cache');
/** Where pkg keeps what it has downloaded, below its HOME. */
const PKG_CACHE = path.join(CACHE, '.pkg-cache', 'sea');

const soon = (): Deadline => Deadline.after(300_000);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/**
 * Node itself, from its npm package: what pkg would take from nodejs.org,
 * which a build behind a registry mirror cannot reach.
 */
async function base(architecture: Architecture): Promise<string> {
  const { cpu, sha512 } = BASES[architecture];
  const home = path.join(CACHE, `node-${VERSION}-${cpu}`);
  const node = path.join(home, 'package', 'bin', 'node');
  if (await isThere(node)) return node;
  const draft = `${home}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await run('npm', ['pack', '--silent', '--pack-destination', draft, `node-linux-${cpu}@${VERSION}`], {
    deadline: soon(),
  });
  const archive = path.join(draft, `node-linux-${cpu}-${VERSION}.tgz`);
  const found = createHash('sha512')
    .update(await readFile(archive))
    .digest('base64');
  if (found !== sha512) throw new Error(`${archive} is not the Node that was meant: sha512 ${found}`);
  await run('tar', ['-xzf', archive, '-C', draft, 'package/bin/node'], { deadline: soon() });
  await rm(archive);
  await rename(draft, home);
  return node;
}

/** As pkg leaves it after a download that it has checked: then it downloads nothing. */
async function intoPkgCache(node: string, cpu: string): Promise<void> {
  const name = `node-v${VERSION}-linux-${cpu}`;
  const file = path.join(PKG_CACHE, name, 'bin', 'node');
  await mkdir(path.dirname(file), { recursive: true });
  await copyFile(node, file);
  for (const mark of [`${file}.ok`, path.join(PKG_CACHE, `${name}.tar.gz`), path.join(PKG_CACHE, `${name}.tar.gz.ok`)])
    await writeFile(mark, '');
}

async function bundle(): Promise<string> {
  const file = path.join(CACHE, 'cephrbd.cjs');
  const options = ['--bundle', '--minify', '--platform=node', '--target=node24', '--format=cjs', `--outfile=${file}`];
  await run(
    path.join(TOOLS, '.bin', 'esbuild'),
    [path.resolve('flexvolume/main.ts'), '--log-level=error', ...options],
    {
      deadline: soon(),
    },
  );
  return file;
}

async function main(asked: readonly string[]): Promise<void> {
  const all = Object.keys(BASES) as Architecture[];
  const wanted = asked.length === 0 ? all : all.filter((one) => asked.includes(one));
  if (wanted.length === 0) throw new Error(`known architectures: ${all.join(', ')}`);
  await mkdir(CACHE, { recursive: true });
  const script = await bundle();
  // The builder's own architecture too: its Node makes the part that is the same for all, and runs pkg, which this Node
  // may be too old for.
  const own: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const runner = await base(own);
  for (const architecture of new Set([own, ...wanted])) {
    await intoPkgCache(await base(architecture), BASES[architecture].cpu);
  }
  for (const architecture of wanted) {
    const { cpu } = BASES[architecture];
    const file = path.join(OUT, architecture, 'cephrbd');
    await mkdir(path.dirname(file), { recursive: true });
    const pkg = path.join(TOOLS, '@yao-pkg', 'pkg', 'lib-es5', 'bin.js');
    const target = ['--sea', '--targets', `node${VERSION}-linux-${cpu}`, '--output', file];
    await run(runner, [pkg, ...target, script], { deadline: soon(), env: { HOME: CACHE } });
    say(`${path.relative('.', file)}: ${Math.round((await stat(file)).size / 1e6)} MB`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
