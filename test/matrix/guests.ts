/** What has to hold on every kernel, and with the programs of every Ceph on a real kernel: rows of guests. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { CEPH_RELEASES } from '../../src/dev/root/release.js';
import { KERNELS } from '../../src/dev/guest/other-kernel.js';
import { say } from '../../src/dev/say.js';
import { packageRoot } from '../../src/model/package-root.js';
import type { GuestReport } from '../vm/wire.js';
import { cellOf, type Table } from './matrix-table.js';

/** One option of `npm run test:vm`, its values, and the files that run with each: the columns. */
export interface GuestTable extends Table {
  readonly option: '--kernel' | '--client';
  readonly values: readonly string[];
}

export const GUESTS: readonly GuestTable[] = [
  {
    ...{ mark: 'kernels', keys: ['kernel'], option: '--kernel', values: Object.keys(KERNELS) },
    columns: ['guest-ready', 'krbd', 'busy', 'blocklist'],
  },
  {
    ...{ mark: 'rbd-nbd', keys: ['rbd-nbd and cluster'], option: '--client', values: CEPH_RELEASES },
    columns: ['nbd', 'lifecycle-nbd', 'crash-nbd'],
  },
  {
    ...{ mark: 'kernel limits', keys: ['client and cluster'], option: '--client', values: ['18', '20'] },
    columns: ['kernel-limits'],
  },
];

/** A row's cells; without a report nothing was run. */
export const guestCells = ({ columns }: Table, report: GuestReport | undefined): readonly string[] =>
  columns.map((name) => {
    const { passed = 0, failed = 0 } = report?.files.find((one) => one.name === name) ?? {};
    return cellOf({ passed, of: passed + failed });
  });

/** @param directory for the report */
export async function runGuests(table: GuestTable, value: string, directory: string): Promise<readonly string[]> {
  say(`== guests, ${table.option} ${value}: ${table.columns.join(', ')}`);
  const file = path.join(directory, `${table.mark}-${value}.json`);
  const program = path.join(packageRoot(), 'dist/test/vm/run.js');
  const child = spawn(process.execPath, [program, table.option, value, ...table.columns], {
    stdio: 'inherit',
    env: { ...process.env, BERTH_TEST_REPORT: file },
  });
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return guestCells(table, text === undefined ? undefined : (JSON.parse(text) as GuestReport));
}
