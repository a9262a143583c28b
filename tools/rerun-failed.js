// `node tools/rerun-failed.js REPORT=CODE ...`: runs each test file that failed once more, alone, and says so aloud.
// REPORT is what a test run wrote to BERTH_TEST_REPORT, CODE is the exit code of that run.
// Exit code 0: nothing had failed, or all of it passes now. 1: something fails again, more than three files had failed,
// or a run ended without a whole report, so that nobody knows what it did not run.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** More than this is no accident of one test. */
const MOST = 3;
const RULE = '!'.repeat(100);

/** @param {readonly string[]} lines */
const sayAloud = (...lines) =>
  process.stdout.write(`\n${RULE}\n${lines.map((line) => `!! ${line}\n`).join('')}${RULE}\n\n`);

/** @returns {{ failed: { project: string, file: string }[], wrong?: string }} */
function readReport(argument) {
  const at = argument.lastIndexOf('=');
  const [name, code] = [argument.slice(0, at), argument.slice(at + 1)];
  let report;
  try {
    report = JSON.parse(readFileSync(name, 'utf8'));
  } catch (error) {
    return { failed: [], wrong: `a test run ended with ${code} and without a report: ${error.message}` };
  }
  const { complete, failed } = report;
  if (complete !== true) return { failed, wrong: `${name}: the test run (exit code ${code}) was cut off or broke` };
  if (code !== '0' && failed.length === 0) return { failed, wrong: `${name}: exit code ${code}, yet no file failed` };
  return { failed };
}

/** The command that runs one file alone. */
function commandFor({ project, file }) {
  if (project === 'vm') return ['node', 'dist/test/vm/run.js', path.basename(file, '.vm.test.ts')];
  return ['npx', 'vitest', 'run', '--project', project, file];
}

function passesAlone(one) {
  const [program, ...args] = commandFor(one);
  process.stdout.write(`\n== ${[program, ...args].join(' ')}\n`);
  // The run that is judged has written its report.
  const { BERTH_TEST_REPORT: _, ...env } = process.env;
  return spawnSync(program, args, { env, stdio: 'inherit' }).status === 0;
}

/** @returns {number} the exit code */
function main(reports) {
  if (reports.length === 0 || reports.some((one) => !/.=\d+$/.test(one))) {
    process.stderr.write('use: node tools/rerun-failed.js REPORT=CODE ...\n');
    return 2;
  }
  const runs = reports.map(readReport);
  const wrong = runs.flatMap((run) => (run.wrong === undefined ? [] : [run.wrong]));
  const failed = runs.flatMap((run) => run.failed);
  const names = failed.map(({ file }) => file);
  if (wrong.length > 0) {
    sayAloud('THE TESTS FAILED', ...wrong, ...names.map((name) => `failed: ${name}`));
    return 1;
  }
  if (failed.length === 0) return 0;
  if (failed.length > MOST) {
    sayAloud(`THE TESTS FAILED: ${failed.length} files, of which at most ${MOST} would be run again`, ...names);
    return 1;
  }
  sayAloud('FAILED ONCE, now run again, each alone:', ...names);
  const again = failed.filter((one) => !passesAlone(one)).map(({ file }) => file);
  if (again.length > 0) {
    sayAloud('FAILED AGAIN, alone:', ...again);
    return 1;
  }
  sayAloud('FAILED ONCE and passed when run again, alone:', ...names, 'Whoever reads this should find out why.');
  return 0;
}

process.exitCode = main(process.argv.slice(2));
