/** docs/install.md can be followed: what it names is there, and what Berth leaves in Ceph is told. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { NODES_OBJECTS } from '../../../src/attachment/nodes/node-objects.js';
import { REGISTRY_OBJECT } from '../../../src/attachment/registry/registry-marks.js';
import { SETTINGS } from '../../../src/manifests/settings.js';
import { packageRoot } from '../../../src/model/package-root.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { REGISTRY_OBJECTS } from '../../../src/wiring/dependencies.js';
import { kustomization } from '../deploy/objects.js';
import { CLUSTERS } from '../manifests/three-ways.js';

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

  it('looks for the claims of every class that may be installed', () => {
    const [, pattern = ''] = /get pvc --all-namespaces \| grep -E '([^']+)'/.exec(uninstalling) ?? [];
    const switches = ['kata', 'kataBlock'].map((name) => `storageClasses.${name}=true`);
    const all = renderManifests(readSettings({ set: [`clusters=${CLUSTERS}`, ...switches], files: [] }));
    const classes = all.filter(({ kind }) => kind === 'StorageClass').map(({ metadata }) => metadata.name);
    expect(classes).toHaveLength(3);
    for (const name of classes)
      expect(`default  claim  Bound  pvc-1  1Gi  RWO  ${name}  2d`).toMatch(new RegExp(pattern));
  });

  it('says of each of the three ways how it is upgraded and uninstalled', () => {
    const [, upgrading = ''] = page.split('\n## Upgrading\n');
    const commands = ['kubectl apply -k my-berth/site', 'sh chart.sh', 'manifests.sh | kubectl apply -f -'];
    for (const command of commands) expect(upgrading.split('\n## ')[0]).toContain(command);
    for (const command of ['delete -k my-berth/site', 'helm uninstall berth ', 'manifests.sh | kubectl delete -f -'])
      expect(uninstalling).toContain(command);
  });

  it('gives the image the user whose files it is to read: it is nobody of this machine by itself', () => {
    const runs = blocks('sh').flatMap((block) => block.match(/docker run(?:[^\n]*\\\n)*[^\n]*/g) ?? []);
    expect(runs).toHaveLength(2);
    for (const run of runs) expect(run).toContain('--user "$(id -u):$(id -g)"');
    const debug = blocks('sh').find((block) => block.includes('kubectl debug node/'))!;
    const [, written = ''] = /cat > root.json <<'END'\n([^]*?)\nEND/.exec(debug) ?? [];
    expect(JSON.parse(written)).toEqual({ securityContext: { runAsUser: 0, runAsGroup: 0 } });
    expect(debug).toContain('--custom=root.json');
  });

  it('forgets no object that Berth leaves in a pool when it is uninstalled', () => {
    const single = REGISTRY_OBJECTS.filter((name) => !NODES_OBJECTS.includes(name));
    expect(single.length).toBeGreaterThan(3);
    for (const object of [...single, REGISTRY_OBJECT])
      expect(uninstalling, object).toContain(`rados -p hyper rm ${object}\n`);
    const shards = NODES_OBJECTS.filter((name) => /\.\d+$/.test(name));
    expect(uninstalling).toContain(`seq -w 0 ${shards.length - 1}`);
    expect(uninstalling).toContain('rados -p hyper rm "berth.nodes.$n"');
    expect(uninstalling).toMatch(/rados -p hyper rm berth\.nodes +#/);
    for (const word of ['ceph osd blocklist ls', 'ceph auth rm', '/var/lib/berth', 'install.sh --remove'])
      expect(uninstalling).toContain(word);
  });
});

describe('docs/operations.md', () => {
  it('forgets no object where the registry is moved by hand', () => {
    const [, moving = ''] = textOf('docs/operations.md').split('To move it, stop controller');
    const named = moving.split('set `registry`')[0]!.match(/(?<=`)berth\.[\w.*-]+(?=`)/g) ?? [];
    const single = REGISTRY_OBJECTS.filter((name) => !/\.\d+$/.test(name));
    expect(named.toSorted()).toEqual([...single, 'berth.nodes.*'].toSorted());
  });
});

describe.each(['docs/install.md', 'docs/flexvolume.md', 'docs/operations.md'])('%s', (file) => {
  it('puts no key into an argument, where others of the machine see it', () => {
    expect(textOf(file)).not.toMatch(/--from-literal=userKey|--set \S*userKey/);
  });
});

describe.each(['docs/install.md', 'docs/operations.md', 'docs/runbook.md', 'docs/kata.md'])('%s', (file) => {
  it('aims no command at the pod of any node, where one node is meant', () => {
    expect(textOf(file)).not.toMatch(/kubectl.* (exec|logs) .*ds\/berth-node/);
    expect(textOf(file)).not.toMatch(/kubectl (exec|logs) .*ds\/berth-node/);
  });
});
