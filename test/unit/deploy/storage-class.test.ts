/** The StorageClasses: parameters that the driver accepts, and claims that fit them. */
import { describe, expect, it } from 'vitest';
import { parseClusters } from '../../../src/rbd/clusters-file.js';
import { chooseSandbox, SANDBOX_ANNOTATION } from '../../../src/sandbox/choose-sandbox.js';
import { parseParameters } from '../../../src/volume/image/parameters.js';
import { argument, controller, object, ofKind, text } from './objects.js';

describe('the StorageClass', () => {
  it('has parameters that the driver accepts, once the provisioner has taken its own out', () => {
    const { parameters } = object('StorageClass', 'berth-rbd');
    const reaching = Object.entries(parameters).filter(
      ([name]) => !/^csi\.storage\.k8s\.io\/(fstype|.+-secret-.+)$/.test(name),
    );
    const { cluster, pool } = parseParameters(Object.fromEntries(reaching));
    const clusters = parseClusters(object('ConfigMap', 'berth-clusters').data['clusters.yaml']!, 'clusters.yaml');
    expect(clusters.find((one) => one.id === cluster)?.pools.map((one) => one.name)).toContain(pool);
  });

  it('is not overruled by a default filesystem of a sidecar', () => {
    expect(controller.containers.map((one) => argument(one, 'default-fstype'))).not.toContainEqual(expect.anything());
  });

  it('of the database is for virtual machines, and each of its pods claims a volume for itself alone', () => {
    const { parameters } = object('StorageClass', 'berth-database');
    const reaching = Object.entries(parameters).filter(([name]) => !name.startsWith('csi.storage.k8s.io/'));
    expect(parseParameters(Object.fromEntries(reaching)).sandbox).toBe('kata');
    const { volumeClaimTemplates, template } = object('StatefulSet', 'berth-database').spec;
    expect(volumeClaimTemplates).toMatchObject([
      { spec: { storageClassName: 'berth-database', accessModes: ['ReadWriteOncePod'] } },
    ]);
    expect(template.spec.containers[0]!.volumeMounts.map(({ subPath }) => subPath)).toEqual([undefined]);
    expect(template.spec).toMatchObject({ runtimeClassName: expect.stringMatching(/^kata-/) as string });
  });

  it('of the database meets a RuntimeClass that is said to be of Kata, with an overhead', () => {
    const { runtimeClassName } = object('StatefulSet', 'berth-database').spec.template.spec;
    const { metadata, handler, overhead } = object('RuntimeClass', runtimeClassName!);
    const annotation = metadata.annotations?.[SANDBOX_ANNOTATION];
    for (const said of [annotation, undefined])
      expect(chooseSandbox({ name: metadata.name, handler, annotation: said }, 'auto').sandbox).toBe('kata');
    expect(annotation).toBe('kata');
    expect(Object.keys(overhead.podFixed)).toEqual(['cpu', 'memory']);
    expect(text('docs/kata.md')).toContain('deploy/examples/runtimeclass.yaml');
  });

  it('is the one that the examples claim from', () => {
    const classes = ofKind('PersistentVolumeClaim').map((one) => one.spec['storageClassName']);
    expect(classes).toEqual(['berth-rbd', 'berth-rbd']);
  });
});
