/**
 * `npm run test:matrix`: what has to hold whatever Ceph a site has, with each cluster and each client that Debian has.
 * Each pair's row goes into the table of docs/versions.md as soon as it was run.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CEPH_RELEASES } from '../../src/dev/root/release.js';
import { runTool, WrongCall } from '../../src/dev/run-tool.js';
import { say } from '../../src/dev/say.js';
import { packageRoot } from '../../src/model/package-root.js';
import { COLUMNS, cellsOf, isGood, merged, type Pair, type Report, type Row, rowsOf, tableOf } from './matrix-table.js';

const USAGE = `usage: npm run test:matrix [-- [--ceph RELEASE] [--client RELEASE] [--missing]]

Runs ${Object.keys(COLUMNS).join(', ')} on Ceph ${CEPH_RELEASES.join(', ')}, each cluster with
each client, and writes each pair's row into the table of docs/versions.md. Takes minutes for each pair.

  --ceph RELEASE    only this cluster
  --client RELEASE  only this client
  --missing         only pairs whose row is not there, or not all of whose tests passed
`;

const DOCUMENT = path.join(packageRoot(), 'docs/versions.md');
const BEGIN = '<!-- matrix: written by npm run test:matrix -->';
const END = '<!-- end of the matrix -->';

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
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const cells = cellsOf(text === undefined ? undefined : (JSON.parse(text) as Report));
  const day = new Date().toISOString().slice(0, 10);
  return { ceph, client, cells, run: `${day}, ${os.arch()}, Node ${process.versions.node}` };
}

/** The document around the table, and the rows that stand in it. */
async function readDocument(): Promise<{ readonly rows: readonly Row[]; readonly around: readonly [string, string] }> {
  const text = await readFile(DOCUMENT, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${DOCUMENT} has no place for the table`);
  const begin = before + BEGIN.length;
  return { rows: rowsOf(text.slice(begin, after)), around: [text.slice(0, begin), text.slice(after)] };
}

/** Read anew each time: another run may have put its rows there meanwhile. */
async function writeRow(row: Row): Promise<void> {
  const { rows, around } = await readDocument();
  await writeFile(DOCUMENT, around.join(`\n\n${tableOf(merged(rows, row))}\n\n`));
}

await runTool(USAGE, async () => {
  const { values } = parseArgs({
    options: {
      ceph: { type: 'string' },
      client: { type: 'string' },
      missing: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const named = CEPH_RELEASES.flatMap((ceph) => CEPH_RELEASES.map((client) => ({ ceph, client })))
    .filter(({ ceph }) => ceph === (values.ceph ?? ceph))
    .filter(({ client }) => client === (values.client ?? client));
  if (named.length === 0) throw new WrongCall(`no such release: those are ${CEPH_RELEASES.join(', ')}`);
  const { rows } = await readDocument();
  const isDone = (pair: Pair): boolean =>
    rows.some((row) => row.ceph === pair.ceph && row.client === pair.client && isGood(row));
  const pairs = values.missing === true ? named.filter((pair) => !isDone(pair)) : named;
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-matrix-'));
  try {
    const fresh: Row[] = [];
    for (const pair of pairs) {
      const row = await runPair(pair, directory);
      await writeRow(row);
      fresh.push(row);
    }
    process.stdout.write(`\n${tableOf(fresh)}\n`);
    return fresh.every(isGood) ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
