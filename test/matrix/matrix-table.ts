/**
 * The table of docs/versions.md, read and written: a row for each pair of cluster and client. A run of some pairs keeps
 * the rows of the others, so that the whole may be run in pieces.
 */

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
const HEAD: readonly string[] = ['cluster', 'client', ...NAMES, 'run on'];
export const NOT_RUN = 'not run';

export interface Pair {
  readonly ceph: string;
  readonly client: string;
}

export interface Row extends Pair {
  /** One for each of {@link COLUMNS}: `41`, `**40 of 41**`, or {@link NOT_RUN}. */
  readonly cells: readonly string[];
  /** The day, and with what: `2026-11-27, x64, Node 20.20.2`. */
  readonly run: string;
}

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
    const passed = states.filter((one) => one === 'passed').length;
    if (states.length === 0) return NOT_RUN;
    return passed === states.length ? String(passed) : `**${passed} of ${states.length}**`;
  });
}

/** Was every test of it run, and did it pass? */
export const isGood = ({ cells }: Row): boolean => cells.every((cell) => /^\d+$/.test(cell));

/** The rows of a table that {@link tableOf} wrote; one with other columns has none that count. */
export function rowsOf(text: string): readonly Row[] {
  const [head, , ...lines] = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split('|'))
    .map((words) => words.map((word) => word.trim()));
  if (head?.join() !== HEAD.join()) return [];
  return lines.map(([ceph = '', client = '', ...others]) => ({
    ceph,
    client,
    cells: others.slice(0, -1),
    run: others.at(-1) ?? '',
  }));
}

/** `fresh` takes the place of the row with its pair, or comes in beside the others, in the order of the releases. */
export const merged = (rows: readonly Row[], fresh: Row): readonly Row[] =>
  [...rows.filter(({ ceph, client }) => ceph !== fresh.ceph || client !== fresh.client), fresh].sort(
    (a, b) => Number(a.ceph) - Number(b.ceph) || Number(a.client) - Number(b.client),
  );

export function tableOf(rows: readonly Row[]): string {
  const lines = [
    HEAD,
    HEAD.map(() => '---'),
    ...rows.map(({ ceph, client, cells, run }) => [ceph, client, ...cells, run]),
  ];
  return lines.map((words) => `| ${words.join(' | ')} |`).join('\n');
}
