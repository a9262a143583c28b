/**
 * Run while an image is built: prints what is in it, as CycloneDX 1.6 in JSON. Debian's packages are those of dpkg's
 * list, npm's those of node_modules, from which our programs are bundled.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const read = (file) => readFileSync(file, 'utf8');
const json = (file) => JSON.parse(read(file));
const here = new URL('../../', import.meta.url);

/** `Name: value` lines, of which long values go on in indented ones. */
const fields = (paragraph) => Object.fromEntries([...paragraph.matchAll(/^(\S+): (.*)$/gm)].map(([, ...pair]) => pair));

const release = Object.fromEntries(
  [...read('/etc/os-release').matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, ...pair]) => pair),
);
const distro = `${release.ID}-${release.VERSION_ID ?? release.VERSION_CODENAME}`;

function debianPackage({ Package: name, Version: version, Architecture: arch, Source: source = name }) {
  const purl = `pkg:deb/${release.ID}/${name}@${encodeURIComponent(version)}?arch=${arch}&distro=${distro}`;
  const properties = [{ name: 'debian:source', value: source }];
  return { type: 'library', 'bom-ref': purl, name, version, purl, properties };
}

function npmPackage([place, { version, integrity, license }]) {
  const name = place.replace(/^.*node_modules\//, '');
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const licenses = license === undefined ? [] : [{ license: { name: license } }];
  return { type: 'library', 'bom-ref': `${purl}#${place}`, name, version, hashes: hashesOf(integrity), licenses, purl };
}

/** npm leaves it out for what came within another package. */
function hashesOf(integrity = '') {
  return integrity
    .split(' ')
    .filter((one) => one !== '')
    .map((one) => one.split(/-(.*)/s))
    .map(([algorithm, sum]) => ({
      alg: algorithm.replace('sha', 'SHA-'),
      content: Buffer.from(sum, 'base64').toString('hex'),
    }));
}

function nodeItself() {
  const version = process.versions.node;
  const content = createHash('sha256').update(readFileSync(process.execPath)).digest('hex');
  const purl = `pkg:generic/node@${version}`;
  return { type: 'application', 'bom-ref': purl, name: 'node', version, hashes: [{ alg: 'SHA-256', content }], purl };
}

const { name, version, license } = json(new URL('package.json', here));
const debian = read('/var/lib/dpkg/status')
  .split('\n\n')
  .filter((paragraph) => /^Status: install ok (?:installed|unpacked)$/m.test(paragraph))
  .map(fields)
  .map(debianPackage);
const npm = Object.entries(json(new URL('node_modules/.package-lock.json', here)).packages).map(npmPackage);

const bom = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: { type: 'container', 'bom-ref': name, name, version, licenses: [{ license: { id: license } }] },
  },
  components: [nodeItself(), ...debian, ...npm].sort((one, other) => (one['bom-ref'] < other['bom-ref'] ? -1 : 1)),
};
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
