/**
 * `npm run test:matrix`: what has to hold whatever Ceph and kernel a site has. Each row goes into its table of
 * docs/versions.md as soon as it was run.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CEPH_RELEASES } from '../../src/dev/root/release.js';
import { runTool, WrongCall } from '../../src/dev/run-tool.js';
import { packageRoot } from '../../src/model/package-root.js';
import { GUESTS, runGuests } from './guests.js';
import { isGood, merged, placeOf, type Row, rowsOf, type Table, tableOf } from './matrix-table.js';
import { COLUMNS, RELEASES, runPair } from './releases.js';

const PARTS = ['pairs', ...GUESTS.map(({ mark }) => mark)];

const USAGE = `usage: npm run test:matrix [-- OPTIONS]

Runs ${Object.keys(COLUMNS).join(', ')} on Ceph ${CEPH_RELEASES.join(', ')}, each cluster with
each client, and the real kernel client in guests; writes each row into its table of docs/versions.md. Takes minutes
for each row.

  --only PART       one of: ${PARTS.join(', ')}
  --ceph RELEASE    only pairs with this cluster
  --client RELEASE  only pairs, and guests, with this client
  --kernel VERSION  only guests with this kernel
  --missing         only rows that are not there, or not all of whose tests passed
`;

const DOCUMENT = path.join(packageRoot(), 'docs/versions.md');

/** What becomes one row. */
interface Work {
  readonly part: string;
  readonly table: Table;
  readonly keys: readonly string[];
  /** Chosen by these options, where they are given. */
  readonly chosen: { readonly ceph?: string; readonly client?: string; readonly kernel?: string };
  run(directory: string): Promise<readonly string[]>;
}

const PAIRS: readonly Work[] = CEPH_RELEASES.flatMap((ceph) =>
  CEPH_RELEASES.map((client) => ({
    ...{ part: 'pairs', table: RELEASES, keys: [ceph, client], chosen: { ceph, client } },
    run: (directory: string) => runPair(ceph, client, directory),
  })),
);
const IN_GUESTS: readonly Work[] = GUESTS.flatMap((table) =>
  table.values.map((value) => ({
    ...{ part: table.mark, table, keys: [value] },
    chosen: table.option === '--kernel' ? { kernel: value } : { client: value },
    run: (directory: string) => runGuests(table, value, directory),
  })),
);

/** Read anew each time: another run may have put its rows there meanwhile. */
async function writeRow({ table }: Work, row: Row): Promise<void> {
  const [before, now, behind] = placeOf(table, await readFile(DOCUMENT, 'utf8'));
  await writeFile(DOCUMENT, `${before}\n\n${tableOf(table, merged(rowsOf(table, now), row))}\n\n${behind}`);
}

async function isDone({ table, keys }: Work): Promise<boolean> {
  const [, now] = placeOf(table, await readFile(DOCUMENT, 'utf8'));
  return rowsOf(table, now).some((row) => row.keys.join() === keys.join() && isGood(row));
}

async function runRow(work: Work, directory: string): Promise<Row> {
  const cells = await work.run(directory);
  const day = new Date().toISOString().slice(0, 10);
  const row = { keys: work.keys, cells, run: `${day}, ${os.arch()}, Node ${process.versions.node}` };
  await writeRow(work, row);
  return row;
}

await runTool(USAGE, async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      ceph: { type: 'string' },
      client: { type: 'string' },
      kernel: { type: 'string' },
      missing: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { only, ceph, client, kernel } = values;
  const asked = Object.entries({ ceph, client, kernel }).filter(([, value]) => value !== undefined);
  const named = [...PAIRS, ...IN_GUESTS]
    .filter(({ part }) => only === undefined || part === only)
    .filter(({ chosen }) => asked.every(([name, value]) => chosen[name as keyof typeof chosen] === value));
  if (named.length === 0) throw new WrongCall(`there is no such row; parts are ${PARTS.join(', ')}`);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-matrix-'));
  try {
    let allGood = true;
    for (const work of named) {
      if (values.missing === true && (await isDone(work))) continue;
      const row = await runRow(work, directory);
      process.stdout.write(`\n${tableOf(work.table, [row])}\n`);
      allGood &&= isGood(row);
    }
    return allGood ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
