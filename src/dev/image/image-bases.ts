/**
 * The Dockerfile's bases where no registry is asked: a Debian that mmdebstrap makes from this machine's own mirror, and
 * beside it node and npm, which build and do not ship.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { berthError } from '../../model/errors.js';
import { packageRoot } from '../../model/package-root.js';
import { debianMirror } from '../root/private-apt.js';
import { withContainer, type Builder } from './buildah.js';
import { IMAGE_SUITE, type ImageKind } from './kinds.js';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** As in the slim images of Debian; licences stay. */
const SLIM = ['exclude=/usr/share/man/*', 'exclude=/usr/share/doc/*', 'include=/usr/share/doc/*/copyright'].concat(
  ['locale', 'info'].map((name) => `exclude=/usr/share/${name}/*`),
);
const NPM = '/usr/local/lib/node_modules/npm';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Names in buildah's storage. What was made before is taken again: the build itself brings packages up to date. */
export async function debianBase(builder: Builder, { ceph, arch }: ImageKind): Promise<string> {
  const suite = IMAGE_SUITE[ceph];
  const name = `localhost/berth-base:${suite}-${arch}`;
  return madeOnce(builder, name, async (directory) => {
    const mirror = await debianMirror();
    if (mirror === undefined) {
      throw berthError('BERTH_PACKAGES_MISSING', { what: `a mirror of Debian ${suite}`, packages: 'minbase' });
    }
    const tar = path.join(directory, 'base.tar');
    const slim = SLIM.map((rule) => `--dpkgopt=path-${rule}`);
    const how = ['--variant=minbase', '--mode=root', `--architectures=${arch}`, ...slim];
    await builder.logged('mmdebstrap', ...how, '--aptopt=Acquire::Check-Valid-Until "false"', suite, tar, mirror);
    await withContainer(builder, ['--arch', arch, 'scratch'], async (container) => {
      await builder.buildah('add', '-q', container, tar, '/');
      await builder.buildah('config', '--env', PATH, '--arch', arch, container);
      await builder.buildah('commit', '-q', container, name);
    });
  });
}

/**
 * This machine's npm on the node of the image; `base` is for this machine's architecture. The image is called one for
 * `target`, for buildah 1.28 runs every stage as its target, whatever a FROM says: so it takes what runs here.
 */
export async function nodeBase(
  builder: Builder,
  base: string,
  arch: ImageKind['arch'],
  target: ImageKind['arch'],
): Promise<string> {
  const { version, sum } = await pinnedNode(arch);
  const npm = process.env['npm_execpath'];
  if (npm === undefined) throw new Error('started by npm run image, which says where npm is');
  const name = `localhost/berth-node:${version}-${arch}-for-${target}`;
  return madeOnce(builder, name, async (directory) => {
    const node = path.join(directory, 'package/bin/node');
    const cpu = arch === 'amd64' ? 'x64' : arch;
    await builder.logged('npm', 'pack', '--silent', `--pack-destination=${directory}`, `node-linux-${cpu}@${version}`);
    await builder.logged('tar', '-xzf', path.join(directory, `node-linux-${cpu}-${version}.tgz`), '-C', directory);
    const found = createHash('sha256')
      .update(await readFile(node))
      .digest('hex');
    if (found !== sum)
      throw new Error(`node ${version} for ${arch} has SHA-256 ${found}, and the Dockerfile says ${sum}`);
    await withContainer(builder, [base], async (container) => {
      await builder.buildah('copy', '-q', container, node, '/usr/local/bin/node');
      await builder.buildah('copy', '-q', container, path.dirname(path.dirname(npm)), NPM);
      await trustAsHere(builder, container);
      await builder.buildah(
        'run',
        '--isolation',
        'chroot',
        container,
        '--',
        'ln',
        '-s',
        `${NPM}/bin/npm-cli.js`,
        '/usr/local/bin/npm',
      );
      await builder.buildah('config', '--arch', target, container);
      await builder.buildah('commit', '-q', container, name);
    });
  });
}

/** Where this machine's npm trusts further authorities, that of the build does, too. */
async function trustAsHere({ buildah }: Builder, container: string): Promise<void> {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (file === undefined) return;
  await buildah('copy', '-q', container, file, CERTIFICATES);
  await buildah('config', '--env', `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`, container);
}

/** What the Dockerfile says of node, whoever builds. */
async function pinnedNode(arch: ImageKind['arch']): Promise<{ readonly version: string; readonly sum: string }> {
  const dockerfile = await readFile(path.join(packageRoot(), 'Dockerfile'), 'utf8');
  const argument = (name: string): string => new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1] ?? '';
  return { version: argument('NODE_VERSION'), sum: argument(`NODE_SHA256_${arch.toUpperCase()}`) };
}

async function madeOnce(
  { buildah }: Builder,
  name: string,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  if ((await buildah('images', '--quiet', '--filter', `reference=${name}`)) !== '') return name;
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-base-'));
  try {
    await make(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return name;
}
