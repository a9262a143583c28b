/** Settings of `berth manifests`: a wrong one is answered by a sentence that names it. */
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { SETTINGS } from '../../../src/manifests/settings.js';
import { CLUSTERS } from './three-ways.js';

const KEY = 'AQD0DeVnKhFPLxAAzq1aG1QX0uJr5n9Ln3yzGA==';
const read = (...set: string[]) => readSettings({ set: [`clusters=${CLUSTERS}`, ...set], files: [] });

describe('readSettings', () => {
  it('has a default for all but the clusters file', () => {
    const values = read();
    expect([...values.keys()]).toEqual(SETTINGS.map(({ path }) => path));
    expect(() => readSettings({ set: [], files: [] })).toThrow(/^BERTH_USAGE: clusters: it is needed: --set-file/);
  });

  it('takes texts, numbers, switches, variables, and keys from files', () => {
    const set = ['image.tag=1.2.3', 'controller.replicas=3', 'olderKubernetes=true', 'variables.BERTH_FENCING=never'];
    const values = readSettings({ set: [`clusters=${CLUSTERS}`, ...set], files: [`node.userKey=${KEY}\n`] });
    expect(values.get('image.tag')).toBe('1.2.3');
    expect(values.get('controller.replicas')).toBe(3);
    expect(values.get('olderKubernetes')).toBe(true);
    expect(values.get('variables')).toEqual({ BERTH_FENCING: 'never' });
    expect(values.get('node.userKey')).toBe(KEY);
  });

  it.each([
    ['nonsense', '--set: "nonsense" is not NAME=VALUE'],
    ['nonsense=1', '--set: "nonsense" is no setting; there are clusters, image.repository'],
    ['olderKubernetes=yes', 'olderKubernetes: "yes" is neither true nor false'],
    ['controller.replicas=0', 'controller.replicas: "0" is no whole number above zero'],
    ['kubeletRoot=var/lib', 'kubeletRoot: "var/lib" is not an absolute path'],
    ['kubeletRoot=/var/lib/', 'kubeletRoot: "/var/lib/" is not an absolute path'],
    ['image.repository=Berth:1', 'image.repository: "Berth:1" is not an image without its tag'],
    ['controller.userID=client.x', 'controller.userID: "client.x" is not a user without client.'],
    ['node.userID=admin', 'node.userID: "admin" is not a user'],
    [`node.userKey=${KEY}`, 'node.userKey is a key, which others would see: --set-file node.userKey=FILE'],
    ['variables.BERTH_FENCE=never', 'variables: BERTH_FENCE is no variable of the driver'],
    ['variables.BERTH_FENCING=always', 'BERTH_FENCING (--fencing): "always" is none of never'],
    ['clusters=clusters: []\nmore: 1', 'clusters: configuration clusters.yaml'],
  ])('%s: refused', (given, says) => {
    expect(() => read(given)).toThrow(says);
    expect(() => read(given)).toThrow(/^BERTH_USAGE: .*; see berth manifests --help$/);
  });

  it('a key that is none: refused, and not shown', () => {
    const wrong = `[client.x] key = ${KEY}`;
    const act = () => readSettings({ set: [`clusters=${CLUSTERS}`], files: [`node.userKey=${wrong}`] });
    expect(act).toThrow('node.userKey: what is given is not a key as ceph auth get-key prints it');
    expect(act).not.toThrow(KEY);
  });
});

describe('renderManifests', () => {
  it('has no Secret where no key is given', () => {
    const secrets = (values: ReturnType<typeof read>) =>
      renderManifests(values).flatMap(({ kind, metadata }) => (kind === 'Secret' ? [metadata.name] : []));
    expect(secrets(read())).toEqual([]);
    const files = [`controller.userKey=${KEY}`];
    expect(secrets(readSettings({ set: [`clusters=${CLUSTERS}`], files }))).toEqual(['berth-controller']);
  });
});
