/** The component that serves changed blocks to backup tools, for clusters that have its CRD and its certificate. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { controller, kustomization, manifestsIn, text, type Container } from './objects.js';

const HOME = 'deploy/kubernetes/snapshot-metadata';
const { resources, patches = [] } = kustomization(HOME);
const { patch, target } = patches[0]!;
const acts = parse(patch) as { readonly op: string; readonly path: string; readonly value: unknown }[];

describe('csi-snapshot-metadata', () => {
  it('is added to the controller by a component, without any privilege', () => {
    expect(resources.toSorted()).toEqual(manifestsIn(HOME).toSorted());
    expect(target).toEqual({ kind: 'Deployment', name: 'berth-controller' });
    expect(acts.map(({ op, path }) => `${op} ${path}`)).toEqual([
      'add /spec/template/spec/containers/-',
      'add /spec/template/spec/volumes/-',
    ]);
    expect(text('deploy/site/kustomization.yaml')).toContain('# - ../kubernetes/snapshot-metadata');
    const sidecar = acts[0]!.value as Container;
    const csiSnapshotter = controller.containers.find(({ name }) => name === 'csi-snapshotter')!;
    expect(sidecar.securityContext).toEqual(csiSnapshotter.securityContext);
    expect(sidecar.volumeMounts.map(({ name }) => name)).toEqual(['socket', 'snapshot-metadata-certificate']);
    expect(sidecar.args).toContain('--csi-address=/csi/csi.sock');
  });

  it('is reached by a service at the port that it listens on', () => {
    const service = parse(text(`${HOME}/service.yaml`)) as {
      spec: { selector: object; ports: { targetPort: number }[] };
    };
    const labels = { 'app.kubernetes.io/name': 'berth', 'app.kubernetes.io/component': 'controller' };
    expect(service.spec.selector).toEqual(labels);
    expect((acts[0]!.value as Container).args).toContain(`--port=${service.spec.ports[0]!.targetPort}`);
  });
});
