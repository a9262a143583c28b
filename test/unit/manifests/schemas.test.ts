/** What is rendered is what the API servers of the named Kubernetes releases take, by the schemas that they publish. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { titleOf, type KubeObject } from '../../../src/manifests/kube-object.js';
import { buildDirectory, readManifests } from '../../../src/manifests/kustomize/build.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import { chartRenderer, whyNoGo } from '../../chart/go-renderer.js';
import { publishedFor, RELEASES } from '../../schemas/published-schemas.js';
import { root, text } from '../deploy/objects.js';
import { BASE, INSTALLATIONS } from './installations.js';
import { siteOf } from './site.js';
import { asSet, asSite, asValues } from './three-ways.js';

const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-schemas-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const [, EVERYTHING] = INSTALLATIONS.find(([name]) => name === 'every switch on')!;
const rendered = renderManifests(readSettings(asSet(BASE)));
const named = (kind: string, name: string): KubeObject =>
  rendered.find((one) => one.kind === kind && one.metadata.name === name)!;

let chart: Promise<readonly KubeObject[]> | undefined;
async function renderChart(): Promise<readonly KubeObject[]> {
  const { stdout } = await chartRenderer()(asValues(EVERYTHING));
  return parseAllDocuments(stdout).flatMap((one) => (one.toJS() as KubeObject | null) ?? []);
}

/** What any installation, site or example has, each but once, by where it was found first. */
const EVER = new Map<string, KubeObject>();
const seen = new Set<string>();
function gather(from: string, objects: readonly KubeObject[]): void {
  for (const one of objects) {
    const text = JSON.stringify(one);
    if (!seen.has(text)) EVER.set(`${from}: ${titleOf(one)}`, one);
    seen.add(text);
  }
}

beforeAll(() => {
  for (const [name, told] of INSTALLATIONS) gather(name, renderManifests(readSettings(asSet(told))));
  gather('a site with everything on', buildDirectory(siteOf(path.join(scratch, 'site'), asSite(EVERYTHING))));
  const examples = readdirSync(path.join(root, 'deploy/examples'));
  for (const file of examples) gather(file, readManifests(path.join(root, 'deploy/examples', file)));
});

describe.each(RELEASES)('by the schemas of Kubernetes %s', (release) => {
  const faults = publishedFor(release);

  it('nothing that is rendered, and no example, has a field that is unknown, missing or of another type', () => {
    expect(EVER.size).toBeGreaterThan(60);
    expect(EVER.size).toBe(seen.size);
    const wrong = [...EVER].flatMap(([from, one]) => faults(one).map((fault) => `${from}: ${fault}`));
    expect(wrong).toEqual([]);
  });

  it.skipIf(whyNoGo() !== undefined)('the same of the chart with everything on', async () => {
    const objects = await (chart ??= renderChart());
    expect(objects.length).toBeGreaterThan(35);
    expect(objects.flatMap(faults)).toEqual([]);
  });

  it('refuses a field that is wrongly spelled, however deep, a wrong type, a lack, a kind that is not there', () => {
    const written = JSON.stringify(named('Deployment', 'berth-controller'));
    const changed = (from: string, to: string): readonly string[] => {
      expect(written).toContain(from);
      return faults(JSON.parse(written.replace(from, to)) as KubeObject);
    };
    const says = (words: RegExp): unknown[] => [expect.stringMatching(words)];
    expect(changed('"serviceAccountName"', '"serviceAccountname"')).toEqual(says(/additional .*serviceAccountname/));
    expect(changed('"periodSeconds"', '"periodsSeconds"')).toEqual(
      says(/containers\[0\]\.readinessProbe .*periodsSeconds/),
    );
    expect(changed('"allowPrivilegeEscalation":false', '"allowPrivilegeEscalation":"no"')).toEqual(
      says(/should be boolean/),
    );
    expect(changed('"--kubernetes=auto"', '1')).toEqual(says(/args\[\d\] should be string/));
    expect(changed('"terminationGracePeriodSeconds":40', '"terminationGracePeriodSeconds":1.5')).toEqual(
      says(/should be integer/),
    );
    expect(changed('"name":"berth",', '')).toEqual(says(/containers\[0\] .*property 'name'/));
    const before = { ...named('ServiceAccount', 'berth-node'), apiVersion: 'v1beta1' };
    expect(faults(before)).toEqual([`v1beta1 ServiceAccount is nowhere in Kubernetes ${release}`]);
    const labels = { metadata: { name: 'x', labels: { a: 1 } } };
    for (const kind of ['ServiceMonitor', 'VolumeSnapshotClass'])
      expect(faults({ ...withEverything(kind), ...labels })).toEqual([expect.stringContaining('be string')]);
  });
});

const withEverything = (kind: string): KubeObject =>
  renderManifests(readSettings(asSet(EVERYTHING))).find((one) => one.kind === kind)!;

it('the releases are those that install.md names', () => {
  const page = text('docs/install.md');
  const checked = /schemas that Kubernetes ([\d., and]+?) publish/.exec(page)?.[1]?.match(/1\.\d+/g);
  expect(checked).toEqual([...RELEASES]);
});
