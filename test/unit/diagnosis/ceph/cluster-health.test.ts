/** What the monitors say of a cluster, as the doctor tells it: what bears on volumes with its page, the rest named. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkHealth, judgeHealth } from '../../../../src/diagnosis/ceph/cluster-health.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { memoryCluster } from '../../volume/controller/memory-cluster.js';

const cluster = memoryCluster();
const health = (...checks: readonly (readonly [string, string])[]) => ({
  status: 'HEALTH_WARN',
  checks: checks.map(([code, says]) => ({ code, says, detail: [], pools: [], groups: [] })),
});

it.each([
  ['OSD_DOWN', '1 osds down'],
  ['OSD_HOST_DOWN', '1 host (1 osds) down'],
  ['PG_AVAILABILITY', 'Reduced data availability: 3 pgs inactive'],
  ['PG_DAMAGED', 'Possible data damage: 1 pg inconsistent'],
  ['OSD_SCRUB_ERRORS', '1 scrub errors'],
  ['POOL_FULL', '1 pool(s) full'],
  ['OSD_NEARFULL', '1 nearfull osd(s)'],
  ['MON_DOWN', '1/3 mons down, quorum a,b'],
  ['MON_CLOCK_SKEW', 'clock skew detected on mon.c'],
])('%s is a warning that names the page of the runbook', (code, words) => {
  const { level, says } = judgeHealth(health([code, words], ['TELEMETRY_CHANGED', 'x']));
  expect(level).toBe('warning');
  expect(says).toContain(`${code}: ${words} (`);
  expect(says).not.toContain('TELEMETRY');
  const [, page] = /"(.+)"/.exec(says)!;
  expect(readFileSync('docs/runbook.md', 'utf8')).toContain(`\n## ${page}\n`);
});

it('the first of what it consists of are named', () => {
  const detail = ['a', 'b', 'c', 'd', 'e'].map((pool) => `pool '${pool}' is full (running out of quota)`);
  const check = { code: 'POOL_FULL', says: '5 pool(s) full', detail, pools: [], groups: [] };
  expect(judgeHealth({ status: 'HEALTH_WARN', checks: [check] }).says).toMatch(
    /^POOL_FULL: 5 pool\(s\) full: pool 'a' is full \(running out of quota\); .*'c' is .*, and 2 more \(a full/,
  );
});

it('what is not about volumes is named, and is no warning', () => {
  expect(judgeHealth(health(['POOL_NO_REDUNDANCY', 'x']))).toEqual({
    ...{ level: 'ok', says: 'HEALTH_WARN, and nothing of that is about volumes: POOL_NO_REDUNDANCY' },
  });
  expect(judgeHealth({ status: 'HEALTH_OK', checks: [] })).toEqual({ level: 'ok', says: 'HEALTH_OK' });
});

it('a cluster that does not say how it is, is a warning', async () => {
  const parts = { rbd: cluster.rbd, clusters: cluster.clusters, roles: ['controller'] } as const;
  expect(await checkHealth(parts, Deadline.after(5_000))).toEqual([
    { name: 'health c1', level: 'ok', says: 'HEALTH_OK' },
  ]);
  cluster.rbd.failNext('health', () => berthError('BERTH_DEADLINE', { what: 'ask how c1 is', ms: 5_000 }));
  const [finding] = await checkHealth(parts, Deadline.after(5_000));
  expect(finding).toEqual({
    ...{ name: 'health c1', level: 'warning', says: 'not known: ask how c1 is did not end in 5000 ms' },
  });
});
