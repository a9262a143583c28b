/** The components that a site adds for an older Kubernetes and for nodes of other distributions fit the manifests. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { container, controller, kustomization, node, root, text } from './objects.js';

interface Act {
  readonly op: string;
  readonly path: string;
  readonly value: string;
}

/** `registry.k8s.io/sig-storage/csi-resizer` to `2.3.0` */
const sidecars = new Map(
  [...controller.containers, ...node.containers]
    .filter(({ image }) => image.startsWith('registry.k8s.io/'))
    .map(({ image }): [string, string] => [image.split(':')[0]!, image.split(':v')[1]!]),
);
const major = (version: string): number => Number(version.split('.')[0]);

describe('the set for Kubernetes 1.26 to 1.33', () => {
  const { images = [], patches = [] } = kustomization('deploy/kubernetes/older-kubernetes');

  it('has, of the sidecars that need 1.34, the last major version that does not', () => {
    const older = images.map(({ name, newTag }) => [name.replace(/^.*\//, ''), newTag]);
    expect(older).toEqual([
      ['csi-provisioner', 'v5.3.0'],
      ['csi-resizer', 'v1.14.0'],
    ]);
    for (const { name, newTag = '' } of images) {
      expect(sidecars.has(name), name).toBe(true);
      expect(major(newTag.slice(1))).toBe(major(sidecars.get(name)!) - 1);
    }
  });

  it('is told by version, beside the one for today, where one installs', () => {
    const row = (name: string): string =>
      text('docs/install.md')
        .split('\n')
        .find((line) => line.startsWith('| csi-') && line.includes(name)) ?? '';
    const short = (version = ''): string => version.replace(/^v/, '').split('.').slice(0, 2).join('.');
    for (const { name, newTag } of images) {
      expect(row(path.basename(name))).toBe(
        `| ${path.basename(name)} | ${short(sidecars.get(name))} | ${short(newTag)} |`,
      );
    }
    for (const [name, version] of sidecars) expect(row(path.basename(name)), name).toContain(short(version));
  });

  it('keeps both from waiting for an API that not all of these serve', () => {
    expect(patches.map(({ target }) => target)).toEqual([{ kind: 'Deployment', name: 'berth-controller' }]);
    const expected = ['csi-provisioner', 'csi-resizer'].flatMap((name): Act[] => {
      const at = `/spec/template/spec/containers/${controller.containers.findIndex((one) => one.name === name)}`;
      return [
        { op: 'test', path: `${at}/name`, value: name },
        { op: 'add', path: `${at}/args/-`, value: '--feature-gates=VolumeAttributesClass=false' },
      ];
    });
    expect(parse(patches[0]!.patch)).toEqual(expected);
  });
});

describe('nodes of other distributions', () => {
  it('need of their own only what every Linux with a kubelet has; all else is made, and may be empty', () => {
    const needed = node.volumes.filter(
      ({ hostPath }) => hostPath !== undefined && hostPath.type !== 'DirectoryOrCreate',
    );
    expect(needed.map(({ hostPath }) => hostPath?.path.replace(/^\/var\/lib\/kubelet\//, ''))).toEqual(
      expect.arrayContaining(['plugins_registry', 'plugins', 'pods', '/dev', '/sys']),
    );
    expect(needed).toHaveLength(5);
  });

  it.each([
    ['no-selinux', 'selinux', '/etc'],
    ['no-modules', 'modules', '/lib'],
  ])('that cannot make an empty directory are spared it by %s: %s in %s', (component, volume, parent) => {
    const { patches = [] } = kustomization(`deploy/kubernetes/${component}`);
    expect(patches.map(({ target }) => target)).toEqual([{ kind: 'DaemonSet', name: 'berth-node' }]);
    const { spec } = (parse(patches[0]!.patch) as { spec: { template: { spec: Record<string, unknown> } } }).spec
      .template;
    const mount = container(node, 'berth').volumeMounts.find(({ name }) => name === volume);
    expect(path.dirname(mount?.mountPath ?? '')).toBe(parent);
    expect(spec).toEqual({
      containers: [{ name: 'berth', volumeMounts: [{ mountPath: mount?.mountPath, $patch: 'delete' }] }],
      volumes: [{ name: volume, $patch: 'delete' }],
    });
  });
});

describe('a site', () => {
  it('is shown every component, and which of them it may need', () => {
    const shown = text('deploy/site/kustomization.yaml').match(/(?<=- )\.\.\/kubernetes\/\S+/g);
    expect(shown?.toSorted()).toEqual(
      readdirSync(path.join(root, 'deploy/kubernetes'), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `../kubernetes/${name}`)
        .toSorted(),
    );
  });
});
