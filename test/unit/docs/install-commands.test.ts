/** Every command of docs/install.md is run by a test as it stands, or not run for a reason that is written down. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/model/package-root.js';
import { commandsOf } from '../../integration/install/page.js';
import { ANSWERS, isOf, NOT_RUN, RUN } from '../../integration/install/plan.js';

const commands = commandsOf('docs/install.md');
const of = (section: string): readonly string[] =>
  commands.filter((one) => one.section === section).map(({ text }) => text);

describe('the commands of docs/install.md', () => {
  it('stand in sections that are run, or that are not run for a reason', () => {
    const sections = [...new Set(commands.map(({ section }) => section))];
    expect(sections.toSorted()).toEqual([...RUN, ...Object.keys(NOT_RUN)].toSorted());
    expect(commands.length).toBeGreaterThan(50);
  });

  it('of the sections that are run are played with one answer each, and no answer is for nothing', () => {
    const run = RUN.flatMap(of);
    for (const [begins] of ANSWERS) expect(run.filter((one) => begins.test(one)).length, String(begins)).not.toBe(0);
    for (const one of run) expect(ANSWERS.filter(([begins]) => begins.test(one)).length, one).toBeLessThan(2);
  });

  it('upgrade and uninstall by each way', () => {
    for (const section of ['Upgrading', 'Uninstalling'])
      for (const way of ['kustomize', 'helm', 'manifests'] as const)
        expect(of(section).filter((one) => isOf(way, one)).length, `${section}: ${way}`).not.toBe(0);
  });

  it('that are not run name scripts that are there', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = Object.keys(NOT_RUN).flatMap(
      (section) =>
        of(section)
          .join(' ')
          .match(/(?<=npm run )[\w:]+/g) ?? [],
    );
    expect(named.length).not.toBe(0);
    for (const name of named) expect(scripts).toHaveProperty([name]);
  });

  it('are split where a shell does: continued lines and what follows << belong to their command', () => {
    expect(of('The same by Helm')[2]).toMatch(/^cat > chart\.sh <<'END'\n[^]*\nEND$/);
    expect(of('The same by Helm')[3]).toBe('sh chart.sh');
    expect(of('Uninstalling')).toContainEqual(expect.stringMatching(/^kubectl get pv -o .* \\\n +\| grep/));
  });
});
