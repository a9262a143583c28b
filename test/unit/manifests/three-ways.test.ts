/** kustomize, the Helm chart and `berth manifests` render the same installation, whatever its settings. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv from 'ajv';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chartFiles } from '../../../src/dev/chart/chart-files.js';
import type { KubeObject } from '../../../src/manifests/kube-object.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { SETTINGS } from '../../../src/manifests/settings.js';
import { CHART, chartRenderer, whyNoGo, type ChartRenderer } from '../../chart/go-renderer.js';
import { kustomizeProgram, realKustomize } from './real-kustomize.js';
import { siteOf, sorted } from './site.js';
import { asSet, asSite, asValues, CLUSTERS, type Told } from './three-ways.js';

const KEY = 'AQD0DeVnKhFPLxAAzq1aG1QX0uJr5n9Ln3yzGA==';
const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-three-ways-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const kustomize = kustomizeProgram();
const whyNo = whyNoGo();
if (whyNo !== undefined) process.stderr.write(`\n!! SKIPPED: the Helm chart is not rendered: ${whyNo}\n`);
if (kustomize === undefined)
  process.stderr.write('\n!! SKIPPED: neither kubectl nor kustomize is here to compare with\n');
let made: ChartRenderer | undefined;
const renderer = (): ChartRenderer => (made ??= chartRenderer());

const switches = SETTINGS.filter(({ kind }) => kind === 'switch').map(({ path }) => path);
/** What the chart has differently, since Helm makes the namespace. */
const BASE: Told = { clusters: CLUSTERS, createNamespace: true };
const KEYS = { 'controller.userKey': KEY, 'node.userKey': KEY };
const together = (on: boolean): Told => Object.fromEntries(switches.map((name) => [name, on]));

const INSTALLATIONS: readonly (readonly [string, Told])[] = [
  ['the defaults', BASE],
  ['with keys', { ...BASE, ...KEYS }],
  ['with the key of the controller alone', { ...BASE, 'controller.userKey': KEY, 'controller.userID': 'ctl' }],
  [
    'everything that can be told',
    {
      ...{ ...BASE, ...KEYS, 'controller.userID': 'ctl', 'node.userID': 'nod', 'controller.replicas': 3 },
      ...{
        'image.repository': 'registry.example:5000/a/berth',
        'image.tag': '1.2.3-ceph20',
        kubeletRoot: '/var/lib/k0s/kubelet',
        volumePlugins: '/opt/kubelet/exec',
        flexVolume: true,
      },
      ...{ 'storageClasses.pool': 'fast', 'storageClasses.clusterID': 'prod' },
      variables: { BERTH_FENCING: 'node-lost', BERTH_LOG_LEVEL: 'debug' },
    },
  ],
  ['every switch on', { ...BASE, ...together(true) }],
  ['every switch off', { ...BASE, ...together(false) }],
  ...switches.map((name): [string, Told] => [
    `${name} the other way`,
    {
      ...BASE,
      [name]: SETTINGS.find((one) => one.path === name)!.fallback !== true,
    },
  ]),
];

const rendered = (told: Told): readonly KubeObject[] => sorted(renderManifests(readSettings(asSet(told))));

async function chart(told: Told): Promise<readonly KubeObject[]> {
  const { code, stdout, stderr } = await renderer()(asValues(told));
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const documents = parseAllDocuments(stdout, { strict: true, uniqueKeys: true });
  const [error] = documents.flatMap((one) => one.errors);
  if (error !== undefined) throw error;
  return sorted(documents.flatMap((one) => (one.toJS() as KubeObject | null) ?? []));
}

describe('the chart', () => {
  it('is what the manifests of today make of it: else run `npm run chart`', () => {
    for (const [file, text] of chartFiles()) expect(readFileSync(path.join(CHART, file), 'utf8'), file).toBe(text);
  });

  it('has a schema that takes its own values, with a clusters file', () => {
    const valid = new Ajv().compile(JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8')) as object);
    expect([valid(asValues(BASE)), valid.errors]).toEqual([true, null]);
    for (const wrong of [{ olderKubernetes: 'yes' }, { nonsense: 1 }, { kubeletRoot: 'x' }, { 'node.userID': 'admin' }])
      expect(valid(asValues({ ...BASE, ...(wrong as Told) })), JSON.stringify(wrong)).toBe(false);
    expect(valid(asValues({ ...BASE, variables: { BERTH_FENCE: 'never' } }))).toBe(false);
  });
});

describe.skipIf(whyNo !== undefined)('the chart, rendered', () => {
  it.each(INSTALLATIONS)('%s: equals berth manifests', async (_, told) => {
    expect(await chart(told)).toEqual(rendered(told));
  });

  it.each<[string, Told, string]>([
    ['no clusters file', { clusters: '' }, 'clusters: it is needed: --set-file clusters=clusters.yaml'],
    ['a switch that is a word', { olderKubernetes: 'yes' }, 'olderKubernetes: yes is neither true nor false'],
    ['a path that is none', { kubeletRoot: 'var' }, 'kubeletRoot: "var" is not an absolute path'],
    ['a key that is none', { 'node.userKey': 'secret!' }, 'node.userKey: what is given is not a key'],
  ])('%s: refused with a sentence', async (_, told, says) => {
    const { code, stderr } = await renderer()(asValues({ ...BASE, ...told }));
    expect(code).toBe(1);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('secret!');
  });

  it('another namespace: refused, since Secrets and arguments name the one', async () => {
    const { code, stderr } = await renderer()(asValues(BASE), 'default');
    expect([code, stderr]).toEqual([1, expect.stringContaining('install it with --namespace berth-system')]);
  });
});

describe.skipIf(kustomize === undefined)('a site, built by kustomize', () => {
  // Each component by itself is in kustomize.test.ts.
  it.each(INSTALLATIONS.filter(([name]) => !name.endsWith('the other way')))(
    '%s: equals berth manifests',
    (name, told) => {
      const directory = siteOf(path.join(scratch, name.replaceAll(/\W/g, '-')), asSite(told));
      expect(sorted(realKustomize(kustomize!, directory))).toEqual(rendered(told));
    },
  );
});
