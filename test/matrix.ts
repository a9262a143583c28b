/**
 * `npm run test:matrix`: what has to hold whatever Ceph a site has, with each cluster and each client that Debian has.
 * It prints one table, and writes it into docs/versions.md.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CEPH_RELEASES } from '../src/dev/root/release.js';
import { runTool, WrongCall } from '../src/dev/run-tool.js';
import { say } from '../src/dev/say.js';
import { packageRoot } from '../src/model/package-root.js';

const USAGE = `usage: npm run test:matrix [-- [--ceph RELEASE] [--client RELEASE]]

Runs the port contract, CSI conformance, fencing and the life of a volume on Ceph ${CEPH_RELEASES.join(', ')},
each cluster with each client, and writes the table of docs/versions.md anew. Takes minutes for each pair.

  --ceph RELEASE    only this cluster; the table is printed and not written
  --client RELEASE  only this client
`;

/** What each column of the table runs. */
const COLUMNS = {
  'port contract': ['integration/rbd/librbd'],
  'CSI conformance': ['integration/csi/conformance'],
  fencing: ['integration/fencing/fencing', 'integration/fencing/blocklist', 'integration/fencing/return'],
  'life of a volume': ['integration/csi/lifecycle'],
} as const;
type Column = keyof typeof COLUMNS;

const DOCUMENT = path.join(packageRoot(), 'docs/versions.md');
const BEGIN = '<!-- matrix: written by npm run test:matrix -->';
const END = '<!-- end of the matrix -->';

interface Pair {
  readonly ceph: string;
  readonly client: string;
}

/** Of vitest's JSON report: what we read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

type Row = Pair & { readonly cells: Readonly<Record<Column, string>>; readonly good: boolean };

async function runPair({ ceph, client }: Pair, directory: string): Promise<Row> {
  say(`== cluster of Ceph ${ceph}, client of Ceph ${client}`);
  const file = path.join(directory, `${ceph}-${client}.json`);
  const args = ['--ceph', ceph, '--client', client, '--project', 'integration', '--reporter=default'];
  const report = ['--reporter=json', `--outputFile=${file}`];
  const child = spawn(
    process.execPath,
    [path.join(packageRoot(), 'dist/test/run.js'), ...args, ...report, ...Object.values(COLUMNS).flat()],
    { stdio: 'inherit' },
  );
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const cells = cellsOf(text === undefined ? undefined : (JSON.parse(text) as Report));
  return { ceph, client, cells, good: code === 0 };
}

/** `41` for all of 41 tests, `40 of 41` where one failed. */
function cellsOf(report: Report | undefined): Record<Column, string> {
  const cell = (files: readonly string[]): string => {
    const states = (report?.testResults ?? [])
      .filter(({ name }) => files.some((one) => name.includes(one)))
      .flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
    const passed = states.filter((one) => one === 'passed').length;
    if (states.length === 0) return 'not run';
    return passed === states.length ? String(passed) : `**${passed} of ${states.length}**`;
  };
  return Object.fromEntries(Object.entries(COLUMNS).map(([name, files]) => [name, cell(files)])) as Record<
    Column,
    string
  >;
}

export function tableOf(rows: readonly Row[], when: Date): string {
  const names = Object.keys(COLUMNS) as Column[];
  const head = ['cluster', 'client', ...names];
  const lines = rows.map(({ ceph, client, cells }) => [ceph, client, ...names.map((name) => cells[name])]);
  const line = (words: readonly string[]): string => `| ${words.join(' | ')} |`;
  return [
    `Run on ${when.toISOString().slice(0, 10)}, ${os.arch()}, Node ${process.versions.node}.`,
    'A number is the tests that passed.',
    '',
    line(head),
    line(head.map(() => '---')),
    ...lines.map(line),
  ].join('\n');
}

async function writeTable(table: string): Promise<void> {
  const text = await readFile(DOCUMENT, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${DOCUMENT} has no place for the table`);
  await writeFile(DOCUMENT, `${text.slice(0, before + BEGIN.length)}\n\n${table}\n\n${text.slice(after)}`);
}

await runTool(USAGE, async () => {
  const options = { ceph: { type: 'string' }, client: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const pairs = CEPH_RELEASES.flatMap((ceph) => CEPH_RELEASES.map((client) => ({ ceph, client })))
    .filter(({ ceph }) => ceph === (values.ceph ?? ceph))
    .filter(({ client }) => client === (values.client ?? client));
  if (pairs.length === 0) throw new WrongCall(`no such release: those are ${CEPH_RELEASES.join(', ')}`);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-matrix-'));
  try {
    const rows: Row[] = [];
    for (const pair of pairs) rows.push(await runPair(pair, directory));
    const table = tableOf(rows, new Date());
    process.stdout.write(`\n${table}\n`);
    if (pairs.length === CEPH_RELEASES.length ** 2) await writeTable(table);
    return rows.every(({ good }) => good) ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
