/** docs/install.md can be followed: what it names is there, and what Berth leaves in Ceph is told. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FENCES_OBJECT } from '../../../src/attachment/fences.js';
import { NODES_OBJECTS } from '../../../src/attachment/nodes/node-objects.js';
import { REGISTRY_OBJECT } from '../../../src/attachment/registry/registry-marks.js';
import { SETTINGS } from '../../../src/manifests/settings.js';
import { packageRoot } from '../../../src/model/package-root.js';
import { GROUPS_OBJECT } from '../../../src/volume/controller/group/group-record.js';
import { SNAPSHOT_NAMES_OBJECT } from '../../../src/volume/controller/snapshot/name-record.js';
import { NAMES_OBJECT } from '../../../src/volume/flexvolume/attach-by-name.js';
import { kustomization } from '../deploy/objects.js';

const textOf = (file: string): string => readFileSync(path.join(packageRoot(), file), 'utf8');
const page = textOf('docs/install.md');
const [, uninstalling = ''] = page.split('## Uninstalling');
const blocks = (kind: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text]) => text!);

describe('docs/install.md', () => {
  it('copies the site beside what it points to', () => {
    expect(kustomization('deploy/site').resources).toContain('../kubernetes');
    expect(blocks('sh').join('')).toContain('cp -r deploy/kubernetes deploy/site my-berth/');
    expect(blocks('sh').join('')).not.toMatch(/-k (site|deploy)/);
  });

  it('shows YAML that is YAML', () => {
    for (const block of blocks('yaml')) {
      for (const one of block.split('\n---\n')) expect(() => parse(one) as unknown, one).not.toThrow();
    }
    expect(blocks('yaml').length).toBeGreaterThan(2);
  });

  it('shows each component that a site may take', () => {
    const shown = textOf('deploy/site/kustomization.yaml').match(/(?<=- \.\.\/kubernetes\/)\S+/g) ?? [];
    const named = page.split('| component | for |')[1]?.split('\n\n')[0] ?? '';
    const cells = named.split('\n').map((row) => row.split(' | ')[0]!);
    const rows = cells.flatMap((cell) => cell.match(/(?<=`)[a-z-]+(?=`)/g) ?? []);
    expect(rows.toSorted()).toEqual(shown.filter((name) => name !== 'kubelet-root').toSorted());
  });

  it('has a row for each setting, with its default and help', () => {
    const [, table = ''] = page.split('| setting | default | means |\n| --- | --- | --- |\n');
    const rows = SETTINGS.map(({ path, fallback, help }) => {
      const isShown = fallback !== '' && typeof fallback !== 'object';
      return `| \`${path}\` | ${isShown ? `\`${String(fallback)}\`` : 'none'} | ${help} |`;
    });
    expect(table.split('\n\n')[0]!.trimEnd().split('\n')).toEqual(rows);
  });

  it('forgets no object that Berth leaves in a pool when it is uninstalled', () => {
    for (const object of [FENCES_OBJECT, REGISTRY_OBJECT, GROUPS_OBJECT, SNAPSHOT_NAMES_OBJECT, NAMES_OBJECT])
      expect(uninstalling, object).toContain(`rados -p hyper rm ${object}\n`);
    const shards = NODES_OBJECTS.filter((name) => /\.\d+$/.test(name));
    expect(uninstalling).toContain(`seq -w 0 ${shards.length - 1}`);
    expect(uninstalling).toContain('rados -p hyper rm "berth.nodes.$n"');
    expect(uninstalling).toMatch(/rados -p hyper rm berth\.nodes +#/);
    for (const word of ['ceph osd blocklist ls', 'ceph auth rm', '/var/lib/berth', 'install.sh --remove'])
      expect(uninstalling).toContain(word);
  });
});

describe.each(['docs/install.md', 'docs/operations.md', 'docs/runbook.md', 'docs/kata.md'])('%s', (file) => {
  it('aims no command at the pod of any node, where one node is meant', () => {
    expect(textOf(file)).not.toMatch(/kubectl.* (exec|logs) .*ds\/berth-node/);
    expect(textOf(file)).not.toMatch(/kubectl (exec|logs) .*ds\/berth-node/);
  });
});
