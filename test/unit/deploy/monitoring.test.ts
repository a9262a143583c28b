/** Alerts and dashboard: every query parses and asks for what the driver shows; each alert fires from that. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { installationOfMetrics } from './shown-metrics.js';
import { root, text } from './objects.js';

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}
const rules = (
  parse(text('deploy/kubernetes/monitoring/alerts.yaml')) as { spec: { groups: { rules: AlertRule[] }[] } }
).spec;
const alerts = rules.groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(
  (parse(text('deploy/kubernetes/dashboard/dashboard.yaml')) as { data: { 'berth.json': string } }).data['berth.json'],
) as { panels: { title: string; targets?: { expr: string }[] }[] };
const panels = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));

const metricsIn = (query: string): readonly string[] => query.match(/\b(berth|process)_[a-z_]+/g) ?? [];
const shown = new Set(
  readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('dev/'))
    .flatMap((file) => text(`src/${file}`).match(/(?<=')(berth|process)_[a-z_]+(?=')/g) ?? []),
);
const isShown = (name: string): boolean => shown.has(name) || shown.has(name.replace(/_(bucket|count|sum)$/, ''));

const promtool = spawnSync('promtool', ['--version']).status === 0;
if (!promtool) process.stderr.write('\n!! SKIPPED: queries are not checked: apt-get install prometheus has promtool\n');
const scratch = mkdtempSync(path.join(os.tmpdir(), 'berth-promtool-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function check(file: string, content: unknown, ...command: string[]): string {
  const at = path.join(scratch, file);
  writeFileSync(at, stringify(content));
  const { status, stdout, stderr } = spawnSync('promtool', [...command, at], { encoding: 'utf8', cwd: scratch });
  return status === 0 ? 'ok' : stdout + stderr;
}

describe('every query', () => {
  it.each([...alerts.map(({ alert, expr }) => [alert, expr] as const), ...panels])(
    'of %s asks for metrics that are in the code',
    (_, expr) => {
      const names = metricsIn(expr);
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => !isShown(name))).toEqual([]);
    },
  );
});

describe('docs/monitoring.md', () => {
  const page = text('docs/monitoring.md');

  it('has every metric of the code, and no other', () => {
    const [, table = ''] = page.split('## Metrics');
    const listed = table
      .split('## Alerts')[0]!
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const named = listed.flatMap((line) => line.split(' | ')[0]!.match(/(?<=`)[a-z_]+(?=`)/g) ?? []);
    expect(named.toSorted()).toEqual([...shown].toSorted());
  });

  it('has every alert with its severity', () => {
    const rows = [...page.matchAll(/^\| `(Berth\w+)` \| (\w+) \|/gm)].map(
      ([, name, severity]) => `${name} ${severity}`,
    );
    expect(rows).toEqual(alerts.map(({ alert, labels }) => `${alert} ${labels.severity}`));
  });
});

describe.skipIf(!promtool)('promtool', () => {
  it('takes the alerts, and the dashboard’s queries as Grafana fills them in', () => {
    expect(check('alerts.yaml', rules, 'check', 'rules')).toBe('ok');
    const filled = panels.map(([, expr], index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(namespace|claim|node)/g, '.*'),
    }));
    expect(check('panels.yaml', { groups: [{ name: 'panels', rules: filled }] }, 'check', 'rules')).toBe('ok');
  });

  it('fires no alert for an installation that is well', async () => {
    const series = await installationOfMetrics('well');
    expect(check('well.yaml', ruleTest(series, []), 'test', 'rules')).toBe('ok');
  });

  it('fires each alert for one in which everything is wrong, and finds something for each panel', async () => {
    const series = await installationOfMetrics('sick');
    expect(
      check(
        'sick.yaml',
        ruleTest(
          series,
          alerts.map(({ alert }) => alert),
        ),
        'test',
        'rules',
      ),
    ).toBe('ok');
  });
});

/** Alerts are series themselves: what fires at the end of two days, by name. */
function ruleTest(series: readonly object[], firing: readonly string[]): object {
  writeFileSync(path.join(scratch, 'rules.yaml'), stringify(rules));
  const expr = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0';
  const exp_samples = firing.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 }));
  return {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: [{ interval: '1m', input_series: series, promql_expr_test: [{ expr, eval_time: '2d', exp_samples }] }],
  };
}
