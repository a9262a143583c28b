/** The component that switches group snapshots on, for clusters that have the CRDs. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { controller, kustomization, text } from './objects.js';

describe('csi-snapshotter', () => {
  it('takes group snapshots only by a component, since it waits for the CRDs of what is on', () => {
    const gate = '--feature-gates=CSIVolumeGroupSnapshot=';
    const { patches = [] } = kustomization('deploy/kubernetes/group-snapshots');
    expect(patches.map(({ target }) => target)).toEqual([{ kind: 'Deployment', name: 'berth-controller' }]);
    const acts = parse(patches[0]!.patch) as { readonly op: string; readonly path: string; readonly value: string }[];
    const index = controller.containers.findIndex(({ name }) => name === 'csi-snapshotter');
    const at = controller.containers[index]!.args.indexOf(`${gate}false`);
    const place = `/spec/template/spec/containers/${index}/args/${at}`;
    expect(acts).toEqual([
      { op: 'test', path: place, value: `${gate}false` },
      { op: 'replace', path: place, value: `${gate}true` },
    ]);
    expect(text('deploy/site/kustomization.yaml')).toContain('# - ../kubernetes/group-snapshots');
  });
});
