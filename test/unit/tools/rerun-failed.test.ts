/** tools/rerun-failed.js, as `.ci/run` calls it: which files it runs again, what it says, and its exit code. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const TOOL = path.resolve('tools/rerun-failed.js');
const UNIT = { project: 'unit', file: 'test/unit/options.test.ts' };
const REAL = { project: 'integration', file: 'test/integration/csi/expand.test.ts' };
const GUEST = { project: 'vm', file: 'test/vm/krbd.vm.test.ts' };
const LAST = { project: 'unit', file: 'test/unit/csi/contract.test.ts' };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'berth-rerun-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string): string => path.join(directory, name);

/** A report, and the argument that names it. */
function report(name: string, code: number, content: unknown): string {
  writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return `${at(name)}=${code}`;
}
const failed = (...files: readonly object[]): object => ({ complete: true, failed: files });

/** Run it where `npx` and `node` only write down how they are called, and fail for what `failing` matches. */
function rerun(args: readonly string[], failing = 'nothing') {
  const program = `#!/bin/sh\necho "\${0##*/} $*" >> ${at('calls')}\ncase "$*" in *${failing}*) exit 1;; esac\n`;
  for (const name of ['npx', 'node']) writeFileSync(at(name), program, { mode: 0o755 });
  const env = { ...process.env, PATH: `${directory}:${process.env['PATH'] ?? ''}`, BERTH_TEST_REPORT: at('r.json') };
  const { status, stdout } = spawnSync(process.execPath, [TOOL, ...args], { env, encoding: 'utf8' });
  const calls = existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').trimEnd().split('\n') : [];
  return { status, stdout, calls };
}

describe('rerun-failed', () => {
  it('no file failed: exit code 0, nothing is run, nothing is said', () => {
    const arguments_ = [report('a.json', 0, failed()), report('b.json', 0, failed())];
    expect(rerun(arguments_)).toEqual({ status: 0, stdout: '', calls: [] });
  });

  it('three files failed and pass now: each is run alone, by its own runner, exit code 0, all are named', () => {
    const { status, stdout, calls } = rerun([
      report('a.json', 1, failed(UNIT, REAL)),
      report('b.json', 1, failed(GUEST)),
    ]);
    expect(status).toBe(0);
    expect(calls).toEqual([
      'npx vitest run --project unit test/unit/options.test.ts',
      'npx vitest run --project integration test/integration/csi/expand.test.ts',
      'node dist/test/vm/run.js krbd',
    ]);
    expect(stdout).toMatch(/!! FAILED ONCE and passed when run again, alone:\n(!! test\/\S+\n){3}/);
  });

  it('a file fails again: the others are run all the same, exit code 1, it is named', () => {
    const { status, stdout, calls } = rerun([report('a.json', 1, failed(UNIT, REAL))], 'options.test.ts');
    expect({ status, calls: calls.length }).toEqual({ status: 1, calls: 2 });
    expect(stdout).toMatch(/!! FAILED AGAIN, alone:\n!! test\/unit\/options\.test\.ts\n!!!/);
  });

  it('more than three files failed, in one run or in all: exit code 1, none is run', () => {
    for (const arguments_ of [
      [report('a.json', 1, failed(UNIT, REAL, GUEST, LAST))],
      [report('b.json', 1, failed(UNIT, REAL)), report('c.json', 1, failed(GUEST, LAST))],
    ]) {
      const { status, stdout, calls } = rerun(arguments_);
      expect({ status, calls }).toEqual({ status: 1, calls: [] });
      expect(stdout).toMatch(/!! THE TESTS FAILED: 4 files/);
    }
  });

  it.each([
    ['no report', 1, undefined],
    ['no report, although its exit code is 0', 0, undefined],
    ['half a report', 1, '{"complete": tr'],
    ['a report that it was cut off', 130, { complete: false, failed: [] }],
    ['an error that belongs to no file', 1, { complete: false, failed: [UNIT] }],
    ['a bad exit code and no failed file', 1, failed()],
  ])('a run with %s: exit code 1, none is run', (_, code, content) => {
    const first = content === undefined ? `${at('none.json')}=${code}` : report('a.json', code, content);
    const { status, stdout, calls } = rerun([first, report('b.json', 1, failed(GUEST))]);
    expect({ status, calls }).toEqual({ status: 1, calls: [] });
    expect(stdout).toMatch(/!! THE TESTS FAILED\n/);
    expect(stdout).toMatch(/!! failed: test\/vm\/krbd\.vm\.test\.ts\n/);
  });

  it('files failed although the exit code is 0: they are run again', () => {
    expect(rerun([report('a.json', 0, failed(UNIT))], 'options')).toMatchObject({ status: 1 });
  });

  it('no arguments, or one without an exit code: exit code 2', () => {
    expect(rerun([]).status).toBe(2);
    expect(rerun([at('a.json')]).status).toBe(2);
  });
});
