/** kustomize, the Helm chart and `berth manifests` render the same installation, whatever its settings. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv from 'ajv';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chartFiles } from '../../../src/dev/chart/chart-files.js';
import type { KubeObject } from '../../../src/manifests/kube-object.js';
import { buildDirectory } from '../../../src/manifests/kustomize/build.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { CHART, chartRenderer, whyNoGo, type ChartRenderer } from '../../chart/go-renderer.js';
import { BASE, INSTALLATIONS } from './installations.js';
import { kustomizeProgram, realKustomize } from './real-kustomize.js';
import { siteOf, sorted } from './site.js';
import { asSet, asSite, asValues, type Told } from './three-ways.js';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-three-ways-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const kustomize = kustomizeProgram();
const whyNo = whyNoGo();
if (whyNo !== undefined) process.stderr.write(`\n!! SKIPPED: the Helm chart is not rendered: ${whyNo}\n`);
if (kustomize === undefined)
  process.stderr.write('\n!! SKIPPED: neither kubectl nor kustomize is here to compare with\n');
let made: ChartRenderer | undefined;
const renderer = (): ChartRenderer => (made ??= chartRenderer());

const variable = (name: string, text: string): Told => ({ variables: { [name]: text } });
/** What the schema takes and the chart refuses, as `berth manifests` does. */
const WRONG: readonly (readonly [string, Told, string])[] = [
  ['no clusters file', { clusters: '' }, 'clusters: it is needed: --set-file clusters=clusters.yaml'],
  ['an empty clusters file', { clusters: ' \n' }, 'clusters: it is needed: --set-file clusters=clusters.yaml'],
  ['no replica', { 'controller.replicas': 0 }, 'controller.replicas: 0 is no whole number above zero'],
  ['a path that is none', { kubeletRoot: 'var' }, 'kubeletRoot: "var" is not an absolute path'],
  ['an image with its tag', { 'image.repository': 'Berth:1' }, 'image.repository: "Berth:1" is not an image without'],
  ['a key that is none', { 'node.userKey': 'secret!' }, 'node.userKey: what is given is not a key'],
  ['the administrator', { 'node.userID': 'admin' }, 'node.userID: "admin" is not a user without client., not admin'],
  ['an entity', { 'controller.userID': 'client.x' }, 'controller.userID: "client.x" is not a user without client.'],
  ['no user', { 'node.userID': '' }, 'node.userID: "" is not a user without client., not admin'],
  ['another policy', variable('BERTH_FENCING', 'always'), 'BERTH_FENCING: "always" is none of never, out-of-service'],
  ['another mounter', variable('BERTH_MOUNTER', 'rbd'), 'BERTH_MOUNTER: "rbd" is none of auto'],
  ['another level', variable('BERTH_LOG_LEVEL', 'loud'), 'BERTH_LOG_LEVEL: "loud" is none of trace, debug'],
  ['another service', variable('BERTH_SERVICES', 'node,x'), 'BERTH_SERVICES: "node,x" has what is none of identity'],
  ['a number in words', variable('BERTH_PURGES', 'many'), 'BERTH_PURGES: "many" is no whole number above zero'],
  ['a kubelet nowhere', variable('BERTH_KUBELET_DIR', 'x'), 'BERTH_KUBELET_DIR: "x" is not an absolute path'],
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
    const files = chartFiles();
    for (const [file, text] of files) expect(readFileSync(path.join(CHART, file), 'utf8'), file).toBe(text);
    // A template that nobody makes any more would be installed all the same.
    const there = readdirSync(CHART, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const names = there.map(({ parentPath, name }) => path.relative(CHART, path.join(parentPath, name)));
    expect(names.toSorted()).toEqual([...files.keys()].toSorted());
  });

  it('has a schema that takes its own values, with a clusters file', () => {
    const valid = new Ajv().compile(JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8')) as object);
    expect([valid(asValues(BASE)), valid.errors]).toEqual([true, null]);
    for (const wrong of [
      { olderKubernetes: 'yes' },
      { nonsense: 1 },
      { kubeletRoot: 1 },
      { 'controller.replicas': 1.5 },
    ])
      expect(valid(asValues({ ...BASE, ...(wrong as Told) })), JSON.stringify(wrong)).toBe(false);
    expect(valid(asValues({ ...BASE, variables: { BERTH_FENCE: 'never' } }))).toBe(false);
  });

  it('leaves texts to sentences: a pattern of the schema would be answered first, and without one', () => {
    const schema = readFileSync(path.join(CHART, 'values.schema.json'), 'utf8');
    expect(schema).not.toContain('"pattern"');
    const valid = new Ajv().compile(JSON.parse(schema) as object);
    for (const [, told] of WRONG) expect([valid(asValues({ ...BASE, ...told })), valid.errors]).toEqual([true, null]);
  });

  it('has no look-ahead or look-behind: Go, which compiles its patterns, knows none', () => {
    for (const [file, text] of chartFiles()) expect(text, file).not.toMatch(/\(\?[!=<]/);
  });
});

describe.skipIf(whyNo !== undefined)('the chart, rendered', () => {
  it.each(INSTALLATIONS)('%s: equals berth manifests', async (_, told) => {
    expect(await chart(told)).toEqual(rendered(told));
  });

  it.each(WRONG)('%s: refused with a sentence', async (_, told, says) => {
    const { code, stderr } = await renderer()(asValues({ ...BASE, ...told }));
    expect(code).toBe(1);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('secret!');
    expect(() => rendered({ ...BASE, ...told })).toThrow(/^BERTH_USAGE: /);
  });

  it('a switch that is a word: refused with a sentence, also where nobody looked at the schema', async () => {
    const { code, stderr } = await renderer()(asValues({ ...BASE, olderKubernetes: 'yes' }));
    expect([code, stderr]).toEqual([1, expect.stringContaining('olderKubernetes: yes is neither true nor false')]);
  });

  it('another namespace: refused, since Secrets and arguments name the one', async () => {
    const { code, stderr } = await renderer()(asValues(BASE), 'default');
    expect([code, stderr]).toEqual([1, expect.stringContaining('install it with --namespace berth-system')]);
  });
});

describe('a site', () => {
  it.each(INSTALLATIONS)('%s: equals berth manifests, built by our kustomize and by the real one', (name, told) => {
    const directory = siteOf(path.join(scratch, name.replaceAll(/\W/g, '-')), asSite(told));
    expect(sorted(buildDirectory(directory))).toEqual(rendered(told));
    if (kustomize !== undefined) expect(sorted(realKustomize(kustomize, directory))).toEqual(rendered(told));
  });
});
