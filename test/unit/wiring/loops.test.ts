/** The table of loops: what docs/operations.md says of it, and what `--reconcile-interval 0` turns off. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { LOOPS, makeLoops } from '../../../src/wiring/loops.js';
import type { LoopParts } from '../../../src/wiring/rounds/loop.js';

describe('the table of loops', () => {
  it('is the one of docs/operations.md', async () => {
    const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const rows = LOOPS.map(
      ({ name, does, every, owner, option, stops }) =>
        `| ${name} | ${does} | ${every} | ${owner} | ${option} | ${stops} |`,
    );
    const [, table = ''] = page.split(
      '| loop | what it does | every | process | option | at SIGTERM |\n|---|---|---|---|---|---|\n',
    );
    expect(table.split('\n\n')[0]!.split('\n')).toEqual(rows);
  });
});

describe('without reconciliation', () => {
  /** As much as the table's entries touch before they start. */
  const parts = (reconcileInterval: number): LoopParts =>
    ({
      dependencies: {
        options: { reconcileInterval, leftoverAge: 600, kubeletDirectory: '/k', metricsAddress: undefined },
        counters: {
          declare: () => undefined,
          count: () => undefined,
          gauge: () => undefined,
          counted: () => undefined,
        },
        kube: { attachments: { start: () => undefined }, announce: () => undefined },
      },
      node: { journal: {} },
      controller: { fencing: {} },
      registration: {},
      readiness: {},
    }) as unknown as LoopParts;
  const made = (interval: number) => makeLoops(parts(interval)).map(({ name }) => name);

  it('everything else goes on: registration, fences, guests’ clients, holder records', () => {
    const reconciliation = ['node reconciliation', 'attachment reconciliation', 'garbage'];
    expect(made(300)).toEqual(LOOPS.map(({ name }) => name).filter((name) => !['metrics', 'page'].includes(name)));
    expect(made(0)).toEqual(made(300).filter((name) => !reconciliation.includes(name)));
  });
});
