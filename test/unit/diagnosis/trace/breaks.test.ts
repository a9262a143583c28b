/**
 * Each link of a volume's chain is broken in every way that is known, over the API's stand-in, Ceph in memory and a
 * journal on disk: trace names that link first, says why, and ends with 2. docs/trace.md has the same table.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { printTrace } from '../../../../src/cli/trace/print-trace.js';
import { LINK_OF, type BreakReason } from '../../../../src/diagnosis/trace/links.js';
import { needsAttention, traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import { traceFixture } from '../../../kube/trace-fixture.js';
import { apiBreaks } from './api-breaks.js';
import { cephBreaks } from './ceph-breaks.js';

const at = traceFixture();
const rows = [...apiBreaks(at), ...cephBreaks(at)];

const subjectOf = (reason: BreakReason): string =>
  ['ClaimGone', 'VolumeReleased', 'PersistentVolumeGone'].includes(reason) ? 'pv-1' : 'shop/data';

describe('berth trace of a volume', () => {
  it('that is whole: says that nothing is broken, and ends with 0', async () => {
    await at.journal();
    const found = await traceSubject(at.parts(), 'shop/data');
    expect(printTrace(found)).toMatch(/^broken {15}nothing$/m);
    expect(needsAttention(found)).toBe(false);
  });

  it.each(rows)('names %s and the link that it is in', async (reason, breaks, says) => {
    await breaks();
    const found = await traceSubject(at.parts(), subjectOf(reason));
    const mine = found.traces[0]!.breaks.find((one) => one.reason === reason);
    expect(found.traces[0]!.breaks.map((one) => `${one.link}: ${one.reason}`)).toContain(
      `${LINK_OF[reason]}: ${reason}`,
    );
    expect(mine?.says).toMatch(says);
    // Nothing that stands before the broken link is called broken.
    expect(found.traces[0]!.breaks[0]?.link).toBe(LINK_OF[reason]);
    expect(printTrace(found)).toContain(`\nbroken               ${LINK_OF[reason]}: `);
    expect(needsAttention(found)).toBe(true);
  });

  it('is tried with every way in which a link can break', () => {
    expect(rows.map(([reason]) => reason).toSorted()).toEqual(Object.keys(LINK_OF).toSorted());
    expect(rows.length).toBeGreaterThan(20);
  });
});

describe('docs/trace.md', () => {
  it('has every way in which a link can break, by its link', async () => {
    const page = await readFile(new URL('../../../../docs/trace.md', import.meta.url), 'utf8');
    const told = [...page.matchAll(/^\| ([a-z ]+) \| `(\w+)` \|/gm)].map(([, link, reason]) => `${link}: ${reason}`);
    const known = Object.entries(LINK_OF).map(([reason, link]) => `${link}: ${reason}`);
    expect(told.toSorted()).toEqual(known.toSorted());
  });
});
