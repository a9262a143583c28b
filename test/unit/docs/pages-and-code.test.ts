/** What the documents list is what the code has: parameters, caps, Events, exit codes, headings. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { GOALS as NODE_GOALS } from '../../../bench/node-cost.js';
import { EXIT_CODE_OF_LEVEL } from '../../../src/cli/exit-codes.js';
import { controllerCaps, volumeCaps } from '../../../src/dev/ceph/users.js';
import { REASONS } from '../../../src/diagnosis/attachment/attachment-facts.js';
import { catalogue } from '../../../src/model/errors.js';
import { packageRoot } from '../../../src/model/package-root.js';
import { LABELS, PARAMETER_NAMES, parseParameters } from '../../../src/volume/image/parameters.js';
import { documents, textOf } from './document.js';

const root = packageRoot();

/** The rows of the table under this heading line, cell by cell. */
function table(page: string, heading: string): readonly (readonly string[])[] {
  const [, after = ''] = textOf(page).split(`${heading}\n|---`);
  const rows = after.split('\n\n')[0]!.split('\n').slice(1);
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const sources = files.filter((file) => !file.startsWith('dev/')).map((file) => textOf(`src/${file}`));

describe('docs/parameters.md', () => {
  const rows = table('docs/parameters.md', '| key | default | meaning |');

  it('has a row for every parameter of a StorageClass, and for no other', () => {
    const named = rows.flatMap(([keys = '']) => [...keys.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
    const own = PARAMETER_NAMES.filter((name) => !name.startsWith('csi.storage.k8s.io/'));
    expect(named.toSorted()).toEqual(own.toSorted());
    for (const name of ['csi.storage.k8s.io/fstype', 'csi.storage.k8s.io/…-secret-name'])
      expect(textOf('docs/parameters.md')).toContain(`\`${name}\``);
    for (const label of LABELS) expect(textOf('docs/parameters.md')).toContain(label.replace(/^.*\/(?=pv|pvc)/, ''));
  });

  it('says of each default what a class without parameters gets', () => {
    const { mounter, namePrefix, features, allowHostMount } = parseParameters({ clusterID: 'c', pool: 'p' });
    const defaultOf = (key: string): string => rows.find(([keys]) => keys === `\`${key}\``)?.[1] ?? '';
    expect(defaultOf('mounter')).toBe(`\`${mounter}\``);
    expect(defaultOf('volumeNamePrefix')).toBe(`\`${namePrefix}\``);
    expect(defaultOf('imageFeatures')).toBe(`\`${features.join(',')}\``);
    expect(allowHostMount).toBeUndefined();
    expect(defaultOf('allowHostMount')).toBe('`false`');
  });
});

describe('docs/ceph-users.md', () => {
  const page = textOf('docs/ceph-users.md');

  it.each([[['hyper']], [['hyper', 'hyper-data']]])('has the caps that the tests run with, for pools %j', (pools) => {
    for (const { mon, osd = '' } of [volumeCaps(pools), controllerCaps(pools)]) {
      // An older name of the command is for Ceph 14 and 15, of which the page speaks by itself.
      const newer = mon.split(', ').filter((cap) => !cap.includes('blacklist'));
      expect(page).toContain(`  mon '${newer.join(', ')}' \\\n  osd '${osd}'\n`);
    }
  });
});

describe('docs/operations.md', () => {
  it('lists every Event that is written, those of a broken chain included, and no other', () => {
    const announced = sources.flatMap((text) =>
      [...text.matchAll(/announce\(\{ kind: '(\w+)', reason: '(\w+)'/g)].map(([, kind, reason]) => `${reason} ${kind}`),
    );
    expect(announced).toEqual(expect.arrayContaining(['NodeFenced Warning', 'NodeUnfenced Normal', 'Garbage Warning']));
    const written = new Set([...announced, ...REASONS.map((reason) => `${reason} Warning`)]);
    const listed = table('docs/operations.md', '| reason | type | beside | means |');
    const own = listed.flatMap(([reasons = '', type]) => reasons.split(', ').map((reason) => `${reason} ${type}`));
    expect(own.toSorted()).toEqual([...written].toSorted());
  });

  it('says of each exit code of the doctor what it means', () => {
    const rows = table('docs/operations.md', '| exit code | means |');
    expect(rows.map(([code]) => Number(code))).toEqual(Object.values(EXIT_CODE_OF_LEVEL));
  });
});

describe('docs/scaling.md', () => {
  it('has the bounds of node calls that the bench holds them to', () => {
    const rows = table('docs/scaling.md', '| call | ours | times the bare commands | bound |');
    const bounds = rows.map(
      ([call = '', , , bound]) => [call.replace('a new volume', 'fresh'), Number(bound)] as const,
    );
    expect(Object.fromEntries(bounds)).toEqual(NODE_GOALS);
  });
});

describe('docs/limitations.md', () => {
  it('has three headings, and no statement outside of them', () => {
    const headings = textOf('docs/limitations.md').match(/^#+ .+$/gm);
    expect(headings).toEqual(['# Limitations', '## Not supported', '## Known behaviour', '## Not tested']);
    expect(textOf('docs/limitations.md').split('## Not supported')[0]).not.toMatch(/^- /m);
  });
});

describe.each(documents)('%s', (page) => {
  const text = textOf(page);

  it('names codes whole, as logs and answers have them', () => {
    const words = text.match(/(?<![A-Z_])[A-Z]+(?:_[A-Z]+)+(?![A-Z_])/g) ?? [];
    expect(words.filter((word) => `BERTH_${word}` in catalogue)).toEqual([]);
  });

  it('leads from the codes that it names to their page', () => {
    const names = Object.keys(catalogue).some((code) => text.includes(`\`${code}\``));
    const leads = page === 'docs/errors.md' || /\]\((docs\/|\.\.\/)?errors\.md/.test(text);
    expect(leads || !names).toBe(true);
  });
});

describe('the catalogue of errors', () => {
  it('has no code that is thrown nowhere', () => {
    // Some are of development alone: a cluster that does not start, a directory that is taken.
    const texts = files.map((file) => textOf(`src/${file}`));
    const thrown = new Set(texts.flatMap((text) => text.match(/(?<=')BERTH_[A-Z_]+(?=')/g) ?? []));
    expect(Object.keys(catalogue).filter((code) => !thrown.has(code))).toEqual([]);
  });
});
