/** A pod's virtual machine that is too small for what lives in one: trace says so before anything is killed for it. */
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { printTrace } from '../../../../src/cli/trace/print-trace.js';
import { LINK_OF_WARNING } from '../../../../src/diagnosis/trace/links.js';
import { needsAttention, traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import type { TraceParts } from '../../../../src/diagnosis/trace/trace-volume.js';
import { RUNTIME_CLASSES } from '../../../kube/api-fixture.js';
import { traceFixture } from '../../../kube/trace-fixture.js';

const at = traceFixture();
const limited = (memory: string) => ({ resources: { limits: { memory } } });
const VM = { runtimeClassName: 'kata-qemu', overhead: { memory: '32Mi' } };
const volumes = [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }];

beforeEach(async () => {
  at.server.put(RUNTIME_CLASSES, { metadata: { name: 'kata-qemu' }, handler: 'kata-qemu' });
  await at.journal();
});

const podOf = (spec: object, more: { metadata?: Record<string, unknown>; status?: Record<string, unknown> } = {}) =>
  at.pod({ spec: { nodeName: 'a', volumes, ...spec }, ...more });
const trace = async (subject = 'shop/data', more: Partial<TraceParts> = {}) => {
  const found = await traceSubject(at.parts(more), subject);
  return { found, page: printTrace(found), warnings: found.traces[0]!.warnings };
};

describe('berth trace of a pod in a virtual machine whose limits and overhead are', () => {
  it.each([
    ['64 MiB', '32Mi', /pod shop\/db-0 has 64 MiB.*kata-qemu; a guest of 64 or 96 MiB did not come up/],
    ['96 MiB', '64Mi', /has 96 MiB, limits and overhead,.* did not come up when it was measured; a database needs 256/],
    ['128 MiB', '96Mi', /has 128 MiB.* a guest of 128 MiB came up .*, and its database was killed/],
    ['255 MiB', '223Mi', /has 255 MiB.*How small/],
  ])('%s: warns, calls nothing broken, and ends with 0', async (_, limit, says) => {
    podOf({ ...VM, containers: [limited(limit)] });
    const { found, page, warnings } = await trace();
    expect(warnings).toEqual([{ link: 'pod', reason: 'MemorySmall', says: expect.stringMatching(says) as string }]);
    expect(page).toMatch(/^broken {15}nothing$/m);
    expect(page).toMatch(/^warning {14}pod: MemorySmall: pod shop\/db-0 has /m);
    expect(needsAttention(found)).toBe(false);
  });

  it.each([
    ['256 MiB', { ...VM, containers: [limited('224Mi')] }],
    ['256 MiB with its sidecar', { ...VM, containers: [limited('64Mi')], initContainers: [sidecar('160Mi')] }],
    [
      '256 MiB by the limit of the pod',
      { ...VM, containers: [limited('64Mi')], resources: limited('224Mi').resources },
    ],
    ['not known: a container has no limit', { ...VM, containers: [limited('64Mi'), {}] }],
    ['not known: a sidecar has no limit', { ...VM, containers: [limited('64Mi')], initContainers: [sidecar()] }],
    ['not known: its class names no overhead', { ...VM, overhead: undefined, containers: [limited('64Mi')] }],
    ['those of a pod without a class', { containers: [limited('64Mi')] }],
    ['those of a class that is not there', { ...VM, runtimeClassName: 'gone', containers: [limited('64Mi')] }],
  ])('%s: no warning', async (_, spec) => {
    podOf(spec);
    const { page, warnings } = await trace();
    expect(warnings).toEqual([]);
    expect(page).not.toContain('MemorySmall');
  });
});

function sidecar(memory?: string): object {
  return { restartPolicy: 'Always', ...(memory === undefined ? {} : limited(memory)) };
}

describe('berth trace of a pod with 96 MiB', () => {
  beforeEach(() => podOf({ ...VM, containers: [limited('64Mi')] }));
  const classIs = (handler: string, sandbox?: string) =>
    at.server.put(RUNTIME_CLASSES, {
      metadata: {
        name: 'kata-qemu',
        ...(sandbox === undefined ? {} : { annotations: { 'berth.dev/sandbox': sandbox } }),
      },
      handler,
    });

  it('in a class of containers: no warning', async () => {
    classIs('runsc');
    expect((await trace()).warnings).toEqual([]);
  });

  it('in a class that an administrator calls Kata’s, or whose handler --kata-handlers names: warns', async () => {
    classIs('mine', 'kata');
    expect((await trace()).warnings).toHaveLength(1);
    classIs('mine');
    expect((await trace()).warnings).toEqual([]);
    expect((await trace('shop/data', { kataHandlers: ['mi*'] })).warnings).toHaveLength(1);
  });

  it('that waits for its first start: warns as well', async () => {
    at.pod({ spec: { nodeName: 'a', volumes, ...VM, containers: [limited('64Mi')] }, status: { phase: 'Pending' } });
    expect((await trace()).warnings).toHaveLength(1);
  });

  it('that is to go, or that was killed already: no warning, for the rest says more', async () => {
    at.pod({
      spec: { ...VM, nodeName: 'a', volumes, containers: [limited('64Mi')] },
      metadata: { deletionTimestamp: LATER },
    });
    expect((await trace()).warnings).toEqual([]);
    const finishedAt = new Date(Date.now() - 60_000).toISOString();
    const killed = { name: 'db', restartCount: 1, lastState: { terminated: { reason: 'OOMKilled', finishedAt } } };
    podOf({ ...VM, containers: [limited('64Mi')] }, { status: { phase: 'Running', containerStatuses: [killed] } });
    const { found, warnings } = await trace();
    expect(found.traces[0]!.breaks.map(({ reason }) => reason)).toEqual(['PodKilled']);
    expect(warnings).toEqual([]);
  });

  it('named as the pod, or by its node: warns there as well', async () => {
    expect((await trace('pod:shop/db-0')).page).toContain('MemorySmall: pod shop/db-0 has 96 MiB');
    expect((await trace('node:a')).page).toMatch(/: nothing is broken.*; warning: pod: MemorySmall$/m);
  });
});

const LATER = new Date(Date.now() + 3_600_000).toISOString();

describe('docs/trace.md', () => {
  it('has every warning, by its link', async () => {
    const page = await readFile(new URL('../../../../docs/trace.md', import.meta.url), 'utf8');
    const [, section = ''] = page.split('\n## Warnings\n');
    const told = [...section.split('\n## ')[0]!.matchAll(/^\| `(\w+)` \| ([a-z ]+) \|/gm)];
    expect(told.map(([, reason, link]) => [reason, link])).toEqual(Object.entries(LINK_OF_WARNING));
  });
});
