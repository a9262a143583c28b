/** What a person and a script see of the doctor. */
import { describe, expect, it } from 'vitest';
import { EXIT_CODE_OF_LEVEL } from '../../../src/cli/exit-codes.js';
import { textOf } from '../../../src/cli/output/show.js';
import { printTable } from '../../../src/cli/print-findings.js';
import { worst, type Finding } from '../../../src/model/finding.js';

const ok: Finding = { name: 'dev', level: 'ok', says: 'fine' };
const warning: Finding = { name: 'network-namespace', level: 'warning', says: 'set hostNetwork' };
const failed: Finding = { name: 'mapper', level: 'failed', says: 'none' };

const exitCodeOf = (findings: readonly Finding[]) => EXIT_CODE_OF_LEVEL[worst(findings)];

describe('the doctor', () => {
  it('ends with a code for the worst that he found', () => {
    expect(exitCodeOf([ok, ok])).toBe(0);
    expect(exitCodeOf([ok, warning])).toBe(2);
    expect(exitCodeOf([warning, failed, ok])).toBe(1);
  });

  it('prints a table with the worst last', () => {
    expect(printTable([failed, ok, warning])).toBe(
      [
        'ok       dev                fine',
        'warning  network-namespace  set hostNetwork',
        'failed   mapper             none',
        '',
        '1 ok, 1 warnings, 1 failed',
        '',
      ].join('\n'),
    );
  });

  it('prints JSON for a script', () => {
    const sight = { data: { level: 'warning', findings: [ok, warning] }, text: () => '', code: 2 } as const;
    expect(JSON.parse(textOf(sight, 'json', undefined))).toEqual({ level: 'warning', findings: [ok, warning] });
  });
});
