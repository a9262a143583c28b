/** What has to hold whatever Ceph a site has: a row for each cluster with each client. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { say } from '../../src/dev/say.js';
import { packageRoot } from '../../src/model/package-root.js';
import { cellOf, type Table } from './matrix-table.js';

/** What each column of the table runs, as files below test/. */
export const COLUMNS = {
  'port contract': ['integration/rbd/librbd.test.ts', 'integration/rbd/librbd-connection.test.ts'],
  'CSI conformance': ['integration/csi/conformance.test.ts', 'integration/csi/conformance-node.test.ts'],
  fencing: [
    'integration/fencing/fencing.test.ts',
    'integration/fencing/blocklist.test.ts',
    'integration/fencing/return.test.ts',
  ],
  snapshots: ['integration/csi/conformance-snapshot.test.ts', 'integration/csi/restore.test.ts'],
  'life of a volume': ['integration/csi/lifecycle.test.ts'],
} as const;

const NAMES = Object.keys(COLUMNS) as readonly (keyof typeof COLUMNS)[];

export const RELEASES: Table = { mark: 'matrix', keys: ['cluster', 'client'], columns: NAMES };

/** Of vitest's JSON report: what we read. */
export interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** A row's cells; without a report nothing was run. */
export function cellsOf(report: Report | undefined): readonly string[] {
  return NAMES.map((name) => {
    const states = (report?.testResults ?? [])
      .filter((result) => COLUMNS[name].some((file) => result.name.endsWith(file)))
      .flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
    return cellOf({ passed: states.filter((one) => one === 'passed').length, of: states.length });
  });
}

/** @param directory for the report */
export async function runPair(ceph: string, client: string, directory: string): Promise<readonly string[]> {
  say(`== cluster of Ceph ${ceph}, client of Ceph ${client}`);
  const file = path.join(directory, `${ceph}-${client}.json`);
  const args = ['--ceph', ceph, '--client', client, '--project', 'integration', '--reporter=default'];
  const report = ['--reporter=json', `--outputFile=${file}`];
  const child = spawn(
    process.execPath,
    [path.join(packageRoot(), 'dist/test/run.js'), ...args, ...report, ...Object.values(COLUMNS).flat()],
    { stdio: 'inherit' },
  );
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return cellsOf(text === undefined ? undefined : (JSON.parse(text) as Report));
}
