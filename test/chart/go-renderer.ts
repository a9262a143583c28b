/** The chart rendered by Go's own templates, built once; undefined, and said aloud, where this machine has no Go. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/model/package-root.js';

const run = promisify(execFile);
/** Where Debian puts libraries of Go. */
const GOPATH = '/usr/share/gocode';
const SPRIG = path.join(GOPATH, 'src/github.com/Masterminds/sprig');

export const CHART = path.join(packageRoot(), 'deploy/helm/berth');

export interface Rendered {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type ChartRenderer = (values: object, namespace?: string) => Promise<Rendered>;

/** Why there is none, in words; undefined where there is. */
export function whyNoGo(): string | undefined {
  const lacks = [
    ...(['/usr/bin/go', '/usr/local/go/bin/go'].some((file) => existsSync(file)) ? [] : ['golang-go']),
    ...(existsSync(SPRIG) ? [] : ['golang-github-masterminds-sprig-dev']),
  ];
  return lacks.length === 0 ? undefined : `apt-get install --no-install-recommends ${lacks.join(' ')}`;
}

/** Builds the program, or finds it built of the same source. */
export function chartRenderer(): ChartRenderer {
  const source = path.join(packageRoot(), 'test/chart/render.go');
  const directory = path.join(packageRoot(), 'node_modules/.cache/chart');
  const program = path.join(directory, 'render');
  mkdirSync(directory, { recursive: true });
  const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOFLAGS: '', GOCACHE: path.join(directory, 'go') };
  execFileSync('go', ['build', '-o', program, source], { env, stdio: 'pipe' });
  return async (values, namespace = 'berth-system') => {
    const scratch = await mkdtemp(path.join(os.tmpdir(), 'berth-chart-'));
    try {
      const file = path.join(scratch, 'values.json');
      await writeFile(file, JSON.stringify(values));
      return { code: 0, ...(await run(program, [CHART, file, namespace])) };
    } catch (error) {
      const { code = 1, stdout = '', stderr = '' } = error as Partial<Rendered>;
      return { code, stdout, stderr };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };
}
