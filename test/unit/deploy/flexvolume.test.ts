/** The component that puts the FlexVolume driver on the nodes: its paths, its privileges, the agent's side of it. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageVersion } from '../../../src/model/package-root.js';
import {
  container,
  kustomization,
  manifestsIn,
  node,
  object,
  text,
  type Container,
  type KubeObject,
} from './objects.js';

const HOME = 'deploy/kubernetes/flexvolume';
const { resources, patches = [], replacements = [] } = kustomization(HOME);
const installer = parse(text(`${HOME}/installer.yaml`)) as KubeObject;
const { spec } = installer.spec.template as unknown as {
  readonly spec: {
    readonly initContainers: (Container & { readonly command: string[] })[];
    readonly containers: (Container & { readonly command: string[] })[];
    readonly volumes: { readonly name: string; readonly hostPath: { readonly path: string } }[];
  };
};
const [install] = spec.initContainers as [Container & { readonly command: string[] }];
const settings = object('ConfigMap', 'berth-kubelet').data;
const hostPath = (name: string) => spec.volumes.find((one) => one.name === name)?.hostPath.path;
const mountOf = (name: string) => install.volumeMounts.find((one) => one.name === name);

describe('the installer of the FlexVolume driver', () => {
  it('is a component of its own, which a site is shown', () => {
    expect(resources).toEqual(manifestsIn(HOME));
    expect(text('deploy/site/kustomization.yaml')).toContain('# - ../kubernetes/flexvolume');
  });

  it('starts what the image has, with options that it knows', () => {
    const [shell, program = ''] = install.command;
    expect([shell, program]).toEqual(['sh', '/opt/berth/flexvolume/install.sh']);
    expect(text('Dockerfile')).toContain('COPY flexvolume/install.sh flexvolume/');
    const help = text('flexvolume/install.sh');
    for (const option of install.args.slice(0, -1)) expect(help).toContain(`  ${option.split('=')[0]!} `);
    expect(install.args.at(-1)).toBe('/opt/berth/dist/flexvolume/cephrbd.cjs');
    expect(text('rolldown.config.js')).toContain("cephrbd: 'dist/flexvolume/main.js'");
    for (const { image } of [...spec.initContainers, ...spec.containers]) {
      expect(image).toBe(`berth/berth:${packageVersion()}`);
    }
  });

  it('is told to remove by the argument that docs/flexvolume.md replaces', () => {
    const at = install.args.indexOf('/opt/berth/dist/flexvolume/cephrbd.cjs');
    expect(text('docs/flexvolume.md')).toContain(
      `"path":"/spec/template/spec/initContainers/0/args/${at}","value":"--remove"`,
    );
  });

  it('sees the directories of the site at the node´s own paths, and the node´s root as what it has to run in', () => {
    expect(mountOf('plugins')).toEqual({ name: 'plugins', mountPath: settings['volumePlugins'] });
    expect(hostPath('plugins')).toBe(settings['volumePlugins']);
    expect(mountOf('pods')?.mountPath).toBe(`${settings['root']}/pods`);
    expect(hostPath('pods')).toBe(`${settings['root']}/pods`);
    expect(hostPath('node')).toBe('/');
    expect(install.args).toContain(`--root=${mountOf('node')?.mountPath}`);
    // What is only looked at is no way to write, and keeps nothing mounted that the node has unmounted.
    for (const name of ['pods', 'node']) {
      expect(mountOf(name)).toMatchObject({ readOnly: true, mountPropagation: 'HostToContainer' });
    }
  });

  it('gets both of these paths from the site´s settings, wherever they stand', () => {
    const at = (list: string, name: string) => `spec.template.spec.${list}.[name=${name}]`;
    const mount = (name: string) => `${at('initContainers', 'install')}.volumeMounts.[name=${name}].mountPath`;
    expect(replacements.map(({ source, targets }) => [source.fieldPath, targets[0]!.fieldPaths])).toEqual([
      ['data.volumePlugins', [`${at('volumes', 'plugins')}.hostPath.path`, mount('plugins')]],
      ['data.root', [`${at('volumes', 'pods')}.hostPath.path`, mount('pods')]],
    ]);
    expect(replacements[1]!.targets[0]!.options).toEqual({ delimiter: '/pods', index: 0 });
    const keys = install.env?.map(({ name, valueFrom }) => [name, valueFrom.configMapKeyRef]);
    expect(keys).toEqual([
      ['KUBELET_ROOT', { name: 'berth-kubelet', key: 'root' }],
      ['PLUGINS', { name: 'berth-kubelet', key: 'volumePlugins' }],
    ]);
    expect(install.args).toEqual(expect.arrayContaining(['--plugins=$(PLUGINS)', '--kubelet-dir=$(KUBELET_ROOT)']));
  });

  it('may change its root and nothing else, and what stays behind it may nothing', () => {
    expect(install.securityContext).toMatchObject({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      capabilities: { drop: ['ALL'], add: ['SYS_CHROOT'] },
    });
    expect(install.securityContext['privileged']).toBeUndefined();
    const [rest] = spec.containers;
    expect(rest?.securityContext).toMatchObject({ runAsUser: 65_532, capabilities: { drop: ['ALL'] } });
    expect(rest?.volumeMounts).toBeUndefined();
    expect(installer.spec.template.spec).not.toHaveProperty('hostPID');
    expect(installer.spec).toMatchObject({ updateStrategy: { rollingUpdate: { maxUnavailable: '10%' } } });
  });
});

describe('the node plugin with it', () => {
  const { spec: patched } = (parse(patches[0]!.patch) as { spec: { template: { spec: Record<string, unknown> } } }).spec
    .template;
  const [berth] = patched['containers'] as [Omit<Container, 'env'> & { env: { name: string; value: string }[] }];

  it('serves the socket where the driver looks for it', () => {
    expect(patches.map(({ target }) => target)).toEqual([{ kind: 'DaemonSet', name: 'berth-node' }]);
    const endpoint = berth.env.find(({ name }) => name === 'BERTH_FLEXVOLUME_ENDPOINT')?.value ?? '';
    const socket = endpoint.replace('unix://', '');
    const mount = container(node, 'berth').volumeMounts.find(({ mountPath }) => mountPath === path.dirname(socket));
    const host = node.volumes.find(({ name }) => name === mount?.name)?.hostPath?.path;
    expect(`${host}/${path.basename(socket)}`).toBe(`${settings['root']}/plugins/rbd.csi.berth.dev/flexvolume.sock`);
  });

  it('reads the key of guests and keyrings from Secrets that may be missing', () => {
    const volumes = patched['volumes'] as { name: string; secret: { secretName: string; optional: boolean } }[];
    expect(volumes.map(({ secret: { secretName, optional } }) => [secretName, optional])).toEqual([
      ['berth-hyperd', true],
      ['berth-keyrings', true],
    ]);
    const keyrings = berth.env.find(({ name }) => name === 'BERTH_KEYRING_DIR')?.value;
    expect(berth.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/etc/berth-hyperd', keyrings]);
    expect(text('docs/flexvolume.md')).toContain('keyFile: /etc/berth-hyperd/userKey');
  });
});
