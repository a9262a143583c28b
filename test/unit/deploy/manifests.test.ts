/** The manifests agree with each other and with the program: what kubectl cannot see before a node is broken. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVER_NAME } from '../../../src/csi/identity-service.js';
import { flexStagingRoot, mountPlaces, sharedDirectories } from '../../../src/volume/flexvolume/kubelet-directories.js';
import { packageVersion } from '../../../src/model/package-root.js';
import { parseCommandLine } from '../../../src/cli/command-line.js';
import { OPTIONS, type Options } from '../../../src/options/options.js';
import { parseClusters } from '../../../src/rbd/clusters-file.js';
import {
  argument,
  container,
  controller,
  directories,
  kustomization,
  manifestsIn,
  node,
  object,
  objects,
  ofKind,
  pods,
  replaceIn,
  text,
  type PodSpec,
  type Replacement,
} from './objects.js';

const KUBELET = '/var/lib/kubelet';
const NODE_NAME = 'node-1.example';

/** What the container would be started with, read by the program's own parser. */
function optionsOf(pod: PodSpec): Options {
  const { args, env = [] } = container(pod, 'berth');
  const values = env.map(({ name, valueFrom: { fieldRef, configMapKeyRef: from } }) => [
    name,
    fieldRef?.fieldPath === 'spec.nodeName' ? NODE_NAME : object('ConfigMap', from!.name).data[from!.key],
  ]);
  const request = parseCommandLine(args, Object.fromEntries(values) as Record<string, string>);
  if (request.kind !== 'serve') throw new Error(request.kind);
  return request.options;
}

const mountPaths = (pod: PodSpec, name: string) => container(pod, name).volumeMounts.map((mount) => mount.mountPath);
const hostPath = (name: string) => node.volumes.find((volume) => volume.name === name)?.hostPath?.path;
const sourceAt = (pod: PodSpec, name: string, mountPath: string) =>
  container(pod, name).volumeMounts.find((mount) => mount.mountPath === mountPath)?.name;
const podEntries = Object.entries(pods);

describe('the manifests', () => {
  it('are all listed by a kustomization, and nothing else is', () => {
    expect(kustomization('deploy/kubernetes').resources.toSorted()).toEqual(
      manifestsIn('deploy/kubernetes').toSorted(),
    );
    // What only some clusters need stands there as a comment.
    const offered = text('deploy/site/kustomization.yaml').match(/(?<=^ {2}# - )[a-z-]+[.]yaml$/gm) ?? [];
    expect([...kustomization('deploy/site').resources, ...offered].toSorted()).toEqual(
      ['../kubernetes', ...manifestsIn('deploy/site')].toSorted(),
    );
  });

  it('hold whole objects, none of them twice', () => {
    const names = objects.map(
      (one) => `${one.apiVersion} ${one.kind} ${one.metadata.namespace ?? ''}/${one.metadata.name}`,
    );
    expect(objects.length).toBeGreaterThan(20);
    expect(names.filter((name) => name.includes('undefined'))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('use the one name of the driver everywhere', () => {
    expect(ofKind('CSIDriver').map((one) => one.metadata.name)).toEqual([DRIVER_NAME]);
    expect([...new Set(ofKind('StorageClass').map((one) => one.provisioner))]).toEqual([DRIVER_NAME]);
    const named = directories.flatMap((directory) =>
      manifestsIn(directory).flatMap((name) => text(`${directory}/${name}`).match(/[a-z]+\.csi\.berth\.[a-z]+/g) ?? []),
    );
    expect(named.length).toBeGreaterThan(3);
    expect([...new Set(named)]).toEqual([DRIVER_NAME]);
  });

  it('keep everything that has a namespace in one', () => {
    const scoped = [
      'ServiceAccount',
      'Role',
      'RoleBinding',
      'Deployment',
      'DaemonSet',
      'ConfigMap',
      'Secret',
      'PodDisruptionBudget',
    ];
    const outside = objects.filter((one) => scoped.includes(one.kind) && one.metadata.namespace !== 'berth-system');
    expect(outside).toEqual([]);
    expect(ofKind('Namespace').map((one) => one.metadata.name)).toEqual(['berth-system']);
  });

  it('pin every image, and Berth’s to the version of the package, where the site can replace it', () => {
    for (const [, pod] of podEntries) {
      for (const { image } of pod.containers) {
        expect(image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+\.\d+$/);
      }
      expect(container(pod, 'berth').image).toBe(`berth/berth:${packageVersion()}`);
    }
    expect(kustomization('deploy/site').images?.map((one) => one.name)).toEqual(['berth/berth']);
  });

  it('refer only to accounts, Secrets and ConfigMaps that exist', () => {
    for (const [, pod] of podEntries) {
      object('ServiceAccount', pod.serviceAccountName);
      for (const source of pod.volumes.flatMap((volume) => volume.projected?.sources ?? [])) {
        // Kubernetes puts that one into every namespace.
        if (source.configMap && source.configMap.name !== 'kube-root-ca.crt')
          object('ConfigMap', source.configMap.name);
        for (const { key } of source.secret?.items ?? []) {
          expect(Object.keys(object('Secret', source.secret!.name).stringData)).toContain(key);
        }
      }
    }
    const { parameters } = object('StorageClass', 'berth-rbd');
    const named = Object.keys(parameters).filter((name) => name.endsWith('-secret-name'));
    expect(named).toHaveLength(5);
    for (const name of named) {
      expect(Object.keys(object('Secret', parameters[name]!).stringData).toSorted()).toEqual(['userID', 'userKey']);
      expect(parameters[name.replace(/-name$/, '-namespace')]).toBe('berth-system');
    }
  });

  it('mount only volumes that the pod has, and use all of them', () => {
    for (const [, pod] of podEntries) {
      const mounted = pod.containers.flatMap((one) => one.volumeMounts.map((mount) => mount.name));
      expect([...new Set(mounted)].toSorted()).toEqual(pod.volumes.map((volume) => volume.name).toSorted());
    }
  });

  it('select exactly their own pods', () => {
    for (const [kind, name] of [
      ['Deployment', 'berth-controller'],
      ['DaemonSet', 'berth-node'],
    ] as const) {
      const { selector, template } = object(kind, name).spec;
      expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    }
    expect(object('PodDisruptionBudget', 'berth-controller').spec.selector).toEqual(
      object('Deployment', 'berth-controller').spec.selector,
    );
  });
});

describe('the driver’s containers', () => {
  it('have arguments that the program accepts', () => {
    expect(optionsOf(controller).services).toEqual(['identity', 'controller']);
    expect(optionsOf(node)).toMatchObject({ services: ['identity', 'node'], nodeId: NODE_NAME });
  });

  it('never map by a process that would die with the pod', () => {
    expect(optionsOf(node).mounter).toBe('krbd');
  });

  it('share their socket with every sidecar, which calls it by the same path', () => {
    for (const [, pod] of podEntries) {
      const socket = optionsOf(pod).endpoint.replace('unix://', '');
      for (const { name } of pod.containers) {
        expect(sourceAt(pod, name, path.dirname(socket)), name).toBe('socket');
        if (name !== 'berth') expect(argument(container(pod, name), 'csi-address')).toBe(socket);
      }
    }
  });

  it('run as the user of all containers beside them, for the socket is for its owner only', () => {
    expect(controller.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532 });
    for (const one of controller.containers) expect(one.securityContext['runAsUser'], one.name).toBeUndefined();
    for (const one of node.containers) expect(one.securityContext['runAsUser'], one.name).toBe(0);
  });

  it('are privileged only where the kernel is asked to map and mount', () => {
    const privileged = podEntries.flatMap(([pod, spec]) =>
      spec.containers.filter((one) => one.securityContext['privileged'] === true).map((one) => `${pod}/${one.name}`),
    );
    expect(privileged).toEqual(['node/berth']);
    for (const one of [...controller.containers, ...node.containers]) {
      expect(one.securityContext['readOnlyRootFilesystem'], one.name).toBe(true);
      if (one.securityContext['privileged'] !== true) {
        expect(one.securityContext).toMatchObject({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
      }
    }
  });

  it('find a clusters file that the program accepts, and in it the key of their own role', () => {
    const clusters = parseClusters(object('ConfigMap', 'berth-clusters').data['clusters.yaml']!, 'clusters.yaml');
    for (const [role, pod] of Object.entries(pods) as ['controller' | 'node', PodSpec][]) {
      const file = optionsOf(pod).clusters;
      const directory = path.dirname(file);
      const volume = pod.volumes.find((one) => one.name === sourceAt(pod, 'berth', directory));
      const [config, secret] = [volume?.projected?.sources[0]?.configMap, volume?.projected?.sources[1]?.secret];
      expect([config?.name, path.basename(file), secret?.name]).toEqual([
        'berth-clusters',
        'clusters.yaml',
        `berth-${role}`,
      ]);
      for (const { users } of clusters) {
        expect(secret?.items?.map((item) => path.join(directory, item.path))).toContain(users[role]?.keyFile);
        expect(object('Secret', `berth-${role}`).stringData['userID']).toBe(users[role]?.id);
      }
    }
  });

  it('see changes of both, which a subPath would hide', () => {
    const mounts = [...controller.containers, ...node.containers].flatMap((one) => one.volumeMounts);
    expect(mounts.filter((mount) => mount.subPath !== undefined)).toEqual([]);
  });

  it('get longer to stop than the driver takes to drain, and a node to end its work', () => {
    const drainMs = Number(/const DRAIN_MS = ([\d_]+)/.exec(text('src/wiring/serve.ts'))?.[1]?.replaceAll('_', ''));
    expect(drainMs).toBeGreaterThan(0);
    // Only a node works on filesystems.
    const workMs = Number(OPTIONS.workGrace.fallback) * 1000;
    const least = { controller: drainMs + 10_000, node: drainMs + workMs + 15_000 };
    const graces = { controller: controller.terminationGracePeriodSeconds, node: node.terminationGracePeriodSeconds };
    expect(graces.controller * 1000).toBeGreaterThan(least.controller);
    expect(graces.node * 1000).toBeGreaterThan(least.node);
    for (const pod of [controller, node]) expect(argument(container(pod, 'berth'), 'work-grace')).toBeUndefined();
  });

  it('are taken for unready while a cluster is away, and never restarted for it', () => {
    for (const [, pod] of podEntries) {
      const { readinessProbe, livenessProbe, startupProbe } = container(pod, 'berth');
      const endpoint = argument(container(pod, 'livenessprobe'), 'http-endpoint')!.split(':');
      expect(readinessProbe?.httpGet).toMatchObject({ path: '/healthz', port: Number(endpoint[1]) });
      expect(startupProbe).toBeUndefined();
      expect(livenessProbe?.httpGet).toBeUndefined();
      expect(livenessProbe?.exec?.command).toEqual(['node', '/opt/berth/deploy/image/alive.js']);
    }
  });

  it('open no port on the node’s network but on its loopback', () => {
    expect(node.hostNetwork).toBe(true);
    const endpoints = node.containers.map((one) => argument(one, 'http-endpoint')).filter((one) => one !== undefined);
    expect(endpoints).toHaveLength(2);
    for (const endpoint of endpoints) expect(endpoint).toMatch(/^127\.0\.0\.1:\d+$/);
    for (const { readinessProbe, livenessProbe } of node.containers) {
      for (const probe of [readinessProbe?.httpGet, livenessProbe?.httpGet]) {
        if (probe !== undefined) expect(probe.host).toBe('127.0.0.1');
      }
    }
  });
});

describe('the node plugin', () => {
  it('is registered under the path at which the kubelet finds its socket', () => {
    const registrar = container(node, 'node-driver-registrar');
    const [root] = registrar.env ?? [];
    expect(root).toMatchObject({ name: 'KUBELET_ROOT', valueFrom: { configMapKeyRef: { name: 'berth-kubelet' } } });
    const socket = argument(registrar, 'kubelet-registration-path')!.replace('$(KUBELET_ROOT)', KUBELET);
    expect(socket).toBe(path.join(hostPath('socket')!, 'csi.sock'));
    expect(hostPath('socket')).toBe(`${KUBELET}/plugins/${DRIVER_NAME}`);
    expect(hostPath(sourceAt(node, 'node-driver-registrar', '/registration')!)).toBe(`${KUBELET}/plugins_registry`);
  });

  it('mounts at the kubelet’s own paths, so that the kubelet sees it and it outlives the pod', () => {
    const shared = container(node, 'berth').volumeMounts.filter((mount) => mount.mountPropagation === 'Bidirectional');
    expect(shared.map((mount) => mount.mountPath)).toEqual([`${KUBELET}/plugins`, `${KUBELET}/pods`]);
    for (const mount of shared) expect(hostPath(mount.name)).toBe(mount.mountPath);
  });

  it('shows no container, without propagation, a directory below which volumes are mounted', () => {
    const places = [...mountPlaces(KUBELET, DRIVER_NAME), ...sharedDirectories(KUBELET)];
    const below = (one: string, other: string) => `${one}/`.startsWith(`${other}/`);
    const deaf = node.containers.flatMap(({ name, volumeMounts }) =>
      volumeMounts
        .filter(({ mountPropagation = 'None' }) => mountPropagation === 'None')
        .map((mount) => ({ container: name, path: hostPath(mount.name) }))
        .filter(({ path: shown }) => places.some((place) => shown && (below(shown, place) || below(place, shown)))),
    );
    expect(deaf).toEqual([]);
    // FlexVolume's stages are not below what the sidecars are shown at all.
    expect(below(flexStagingRoot(KUBELET, DRIVER_NAME), hostPath('socket')!)).toBe(false);
  });

  it('takes the kubelet’s root from one place, and everything below it follows', () => {
    expect(optionsOf(node).kubeletDirectory).toBe(KUBELET);
    expect(object('ConfigMap', 'berth-kubelet').data).toEqual({
      root: KUBELET,
      volumePlugins: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec',
    });
    expect(kustomization('deploy/site').components).toEqual(['../kubernetes/kubelet-root']);
    const [{ source, targets }] = kustomization('deploy/kubernetes/kubelet-root').replacements as [Replacement];
    expect(source).toEqual({ kind: 'ConfigMap', name: 'berth-kubelet', fieldPath: 'data.root' });
    const elsewhere = structuredClone(object('DaemonSet', 'berth-node'));
    for (const { select, fieldPaths, options } of targets) {
      expect(select).toEqual({ kind: 'DaemonSet', name: 'berth-node' });
      for (const field of fieldPaths) replaceIn(elsewhere, field, options, '/elsewhere');
    }
    expect(JSON.stringify(elsewhere)).not.toContain(KUBELET);
    const moved = JSON.stringify(object('DaemonSet', 'berth-node')).replaceAll(KUBELET, '/elsewhere');
    expect(elsewhere).toEqual(JSON.parse(moved));
  });

  it('has the host’s devices, sysfs, modules and network', () => {
    for (const place of ['/dev', '/sys', '/lib/modules']) expect(hostPath(sourceAt(node, 'berth', place)!)).toBe(place);
    expect(mountPaths(node, 'berth')).not.toContain('/run/udev');
  });

  it('shows mount(8) both places where it looks for SELinux', () => {
    // /sys/fs/selinux comes with /sys, whose mounts below are bound as well.
    for (const place of ['/sys', '/etc/selinux']) expect(hostPath(sourceAt(node, 'berth', place)!)).toBe(place);
  });

  it('keeps its journal on the host, and key files in memory', () => {
    const { stateDirectory } = optionsOf(node);
    expect(hostPath(sourceAt(node, 'berth', stateDirectory)!)).toBe(stateDirectory);
    expect(node.volumes.find((one) => one.name === sourceAt(node, 'berth', '/run'))?.emptyDir?.medium).toBe('Memory');
  });
});
