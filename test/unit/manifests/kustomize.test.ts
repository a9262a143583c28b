/** Our kustomize prints what the real one prints, and refuses what it does not understand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildDirectory } from '../../../src/manifests/kustomize/build.js';
import { patchByPointers } from '../../../src/manifests/kustomize/json-patch.js';
import { mergePatch } from '../../../src/manifests/kustomize/merge-patch.js';
import { root } from '../deploy/objects.js';
import { kustomizeProgram, realKustomize } from './real-kustomize.js';
import { siteOf, sorted, type Site } from './site.js';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-kustomize-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const program = kustomizeProgram();
if (program === undefined) {
  process.stderr.write('\n!! SKIPPED: neither kubectl (1.21 or newer) nor kustomize is here to compare with\n');
}

const SITES: readonly (readonly [string, Site])[] = [
  ['as it ships', {}],
  ['with every component that can be together', { components: ['older-kubernetes', 'flexvolume', 'group-snapshots'] }],
  ['on nodes that lack directories', { components: ['no-selinux', 'no-modules', 'flexvolume', 'network-policy'] }],
  ['with the kubelet elsewhere, and another image', { root: '/data/kubelet', image: 'registry.example/berth' }],
  ['with changed blocks', { components: ['snapshot-metadata'] }],
];

describe.skipIf(program === undefined)('a copied site', () => {
  it.each(SITES)('%s: builds, and ours is equal', (name, site) => {
    const directory = siteOf(path.join(scratch, name.replaceAll(/\W/g, '-')), site);
    expect(sorted(buildDirectory(directory))).toEqual(sorted(realKustomize(program!, directory)));
  });
});

describe('our kustomize', () => {
  it('throws for a field that it does not know, instead of leaving it out', () => {
    writeFileSync(path.join(scratch, 'kustomization.yaml'), 'kind: Kustomization\nnamePrefix: x-\n');
    expect(() => buildDirectory(scratch)).toThrow(/namePrefix is not understood/);
  });

  it('throws where a patch tests for what is not there', () => {
    const acts = [{ op: 'test', path: '/a/0', value: 'x' }];
    expect(patchByPointers({ a: ['x'] }, acts)).toEqual({ a: ['x'] });
    expect(() => patchByPointers({ a: ['y'] }, acts)).toThrow('/a/0 is "y", and "x" was expected');
    expect(() => patchByPointers({ a: [] }, [{ op: 'remove', path: '/a/0' }])).toThrow('/a/0 is nowhere');
    expect(() => patchByPointers({}, [{ op: 'move', path: '/a' }])).toThrow('/a is nowhere');
  });

  it('merges items of lists by their key, and replaces other lists', () => {
    const before = { containers: [{ name: 'a', args: ['1'] }, { name: 'b' }], other: [1] };
    const patch = {
      containers: [
        { name: 'a', args: ['2'] },
        { name: 'b', $patch: 'delete' },
      ],
      other: [2],
      gone: null,
    };
    expect(mergePatch({ ...before, gone: 1 }, patch)).toEqual({ containers: [{ name: 'a', args: ['2'] }], other: [2] });
    expect(mergePatch(before, { $patch: 'delete' })).toBeUndefined();
  });

  it('finds the base beside the site in the repository', () => {
    const kinds = buildDirectory(path.join(root, 'deploy/site')).map(({ kind }) => kind);
    expect(kinds).toContain('DaemonSet');
    expect(kinds).toContain('StorageClass');
  });
});
