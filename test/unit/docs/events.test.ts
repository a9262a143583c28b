/** Every reason of an Event that Berth writes is explained in docs/operations.md, and no other. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { REASONS } from '../../../src/diagnosis/attachment/attachment-facts.js';

/** As the sources write them: `announce({ kind: 'Warning', reason: 'NodeFenced', …`. */
const ANNOUNCED = /announce\(\{[^}]*?reason: '(\w+)'/g;

function announced(): string[] {
  const files = readdirSync('src', { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && one.name.endsWith('.ts'),
  );
  const texts = files.map((one) => readFileSync(path.join(one.parentPath, one.name), 'utf8'));
  return texts.flatMap((text) => [...text.matchAll(ANNOUNCED)].map(([, reason]) => reason!));
}

it('the table of reasons has each of them', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  const [, table = ''] = page.split('| reason | means |\n|---|---|\n');
  const rows = table.split('\n\n')[0]!.split('\n');
  const told = rows.flatMap((row) =>
    row
      .split('|')[1]!
      .split(',')
      .map((one) => one.trim()),
  );
  const written = announced();
  expect(written).toEqual(expect.arrayContaining(['NodeFenced', 'NodeUnfenced', 'DetachWaits', 'Garbage']));
  expect(told.toSorted()).toEqual([...new Set([...REASONS, ...written])].toSorted());
});
