/** What a person and a script see of the doctor. */
import { describe, expect, it } from 'vitest';
import { asJson, asTable, doctorArguments, exitCodeOf } from '../../../src/cli/doctor.js';
import type { Finding } from '../../../src/diagnosis/preflight.js';

const ok: Finding = { name: 'dev', level: 'ok', says: 'fine' };
const warning: Finding = { name: 'network-namespace', level: 'warning', says: 'set hostNetwork' };
const failed: Finding = { name: 'mapper', level: 'failed', says: 'none' };

describe('the doctor', () => {
  it('ends with a code for the worst that he found', () => {
    expect(exitCodeOf([ok, ok])).toBe(0);
    expect(exitCodeOf([ok, warning])).toBe(2);
    expect(exitCodeOf([warning, failed, ok])).toBe(1);
  });

  it('prints a table with the worst last', () => {
    expect(asTable([failed, ok, warning])).toBe(
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
    expect(JSON.parse(asJson([ok, warning]))).toEqual({ level: 'warning', findings: [ok, warning] });
  });

  it('is asked for by the first word, and shares all other options with the driver', () => {
    expect(doctorArguments(['--node-id', 'doctor'])).toBeUndefined();
    expect(doctorArguments([])).toBeUndefined();
    expect(doctorArguments(['doctor', '--clusters', '/c', '--json'])).toEqual({
      json: true,
      rest: ['--clusters', '/c'],
    });
    expect(doctorArguments(['doctor'])).toEqual({ json: false, rest: [] });
  });
});
