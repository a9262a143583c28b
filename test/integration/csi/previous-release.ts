/** The driver of the release before, built from this repository's own history. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../../src/model/package-root.js';

/** What counts as the release before as long as none has a tag. */
const UNTAGGED = '2aee09d668b47cca0b34f20ce23f813a89bd3a98';

/**
 * `BERTH_PREVIOUS` names a commit, a tag, or a directory that holds its build; `1` is the last tag, or
 * {@link UNTAGGED}. Undefined: not to be tried.
 */
export function previousCommit(): string | undefined {
  const { BERTH_PREVIOUS: asked } = process.env;
  if (asked !== '1') return asked;
  const { stdout, status } = git('describe', '--tags', '--abbrev=0', '--match', 'v*');
  return status === 0 ? stdout.trim() : UNTAGGED;
}

const git = (...args: readonly string[]) =>
  spawnSync('git', ['-C', packageRoot(), ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });

const PROGRAM = 'dist/dev/driver-program.js';

export interface PreviousRelease {
  /** Its driver with the mapper of the tests. */
  readonly program: string;
  remove(): void;
}

/** Takes a minute or two, a directory none. A clone without its history has no such commit, and the error says so. */
export function buildPrevious(commit: string): PreviousRelease {
  if (path.isAbsolute(commit)) return { program: path.join(commit, PROGRAM), remove: () => undefined };
  const directory = mkdtempSync(path.join(tmpdir(), 'berth-previous-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const shell = (command: string): void => {
    const { status, stderr, stdout } = spawnSync('sh', ['-euc', command], { cwd: directory, encoding: 'utf8' });
    if (status === 0) return;
    remove();
    throw new Error(`the release before (${commit}) cannot be built: ${command}: ${stderr}${stdout}`);
  };
  mkdirSync(directory, { recursive: true });
  shell(`git -C '${packageRoot()}' archive ${commit} | tar -x`);
  symlinkSync(path.join(packageRoot(), 'node_modules'), path.join(directory, 'node_modules'));
  shell('npm run --silent build');
  return { program: path.join(directory, PROGRAM), remove };
}
