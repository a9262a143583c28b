/**
 * `npm test`: unit tests and integration tests, by default with this machine's Ceph; `--ceph` and `--client` name other
 * releases. All other arguments are vitest's.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { chooseReleases, type Releases } from '../src/dev/root/choose-releases.js';
import { runTool, WrongCall } from '../src/dev/run-tool.js';
import { say } from '../src/dev/say.js';
import { run } from '../src/host/process/exec.js';
import { packageRoot } from '../src/model/package-root.js';

const USAGE = 'usage: npm test [-- [--ceph RELEASE] [--client RELEASE] [arguments of vitest]]\n';
const VITEST = path.join(packageRoot(), 'node_modules/vitest/vitest.mjs');

/** Ours are taken out wherever they stand. */
function split(args: readonly string[]): { readonly releases: Releases; readonly others: readonly string[] } {
  const releases: { ceph?: string; client?: string } = {};
  const others: string[] = [];
  const left = [...args];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [, name, attached] = /^--(ceph|client)(?:=(.*))?$/.exec(word) ?? [];
    if (name !== 'ceph' && name !== 'client') {
      others.push(word);
      continue;
    }
    const release = attached ?? left.shift();
    if (release === undefined) throw new WrongCall(`--${name} wants a release`);
    releases[name] = release;
  }
  return { releases, others };
}

function vitest(args: readonly string[]): Promise<number> {
  const projects = args.includes('--project') ? [] : ['--project', 'unit', '--project', 'integration'];
  const child = spawn(process.execPath, [VITEST, 'run', ...projects, ...args], {
    stdio: 'inherit',
    cwd: packageRoot(),
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

await runTool(USAGE, async () => {
  const { releases, others } = split(process.argv.slice(2));
  return (await chooseReleases(run, releases, say)) ?? vitest(others);
});
