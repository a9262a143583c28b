/** May a node that stages take the record: every combination of holder and shown right, against a second rule. */
import { describe, expect, it } from 'vitest';
import { decideTake, type Right, type TakeRequest } from '../../../src/attachment/decide-take.js';
import { HOLDER_STATES, type Holder, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { nodeNamed } from '../../fakes/node-named.js';

const NOW = '2026-01-02T03:04:05.000Z';
const BEFORE = '2025-12-31T00:00:00.000Z';
const WAY = { mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false } as const;

const STATES = [undefined, ...HOLDER_STATES] as const;
const GRANTS = [undefined, 'one', 'two'] as const;
const RIGHTS: readonly Right[] = [{ by: 'node' }, ...GRANTS.map((grant) => ({ by: 'attach', grant }) as const)];

const request = (right: Right, more: Partial<TakeRequest> = {}): TakeRequest => ({
  ...{ volume: 'c/p/i', node: nodeNamed('me'), by: 'node', bootId: 'boot', right },
  ...WAY,
  ...more,
});
const recordOf = (...holders: [Holder, ...Holder[]]): HolderRecord => ({ version: 1, ...WAY, holders });
const holder = (by: Holder['by'], state: Holder['state'], grant: string | undefined, node = 'me'): Holder => ({
  ...{ node, since: BEFORE, by },
  ...(state === undefined ? {} : { state }),
  ...(grant === undefined ? {} : { grant }),
});

/** Every holder that a Berth of today or of the release before may have written for the node. */
const mine = (['controller', 'node'] as const).flatMap((by) =>
  STATES.flatMap((state) =>
    GRANTS.filter((grant) => by === 'controller' || grant === undefined).map((grant) => holder(by, state, grant)),
  ),
);

/** The rule in other words. */
function mayTake({ by, state, grant }: Holder, right: Right): boolean {
  if (right.by === 'node') return true;
  if (grant !== undefined || right.grant === undefined) return grant === right.grant;
  // An attach that is named, and a holder without a name: by a node of the release before, which dropped it.
  return by === 'controller' && (state === 'staging' || state === 'staged' || state === 'released');
}

describe('a take by a node', () => {
  it.each(RIGHTS)('that is named by the record goes by its grant: shown $by $grant', (right) => {
    for (const one of mine) {
      const record = recordOf(one);
      const decision = decideTake(record, request(right), NOW);
      const what = JSON.stringify(one);
      if (!mayTake(one, right)) {
        expect(decision, what).toMatchObject({ kind: 'refused', error: { code: 'BERTH_GRANT_OUTDATED' } });
      } else if (one.by === 'controller') expect(decision, what).toEqual({ kind: 'write', next: record });
      else expect(decision, what).toMatchObject({ next: { holders: [{ node: 'me', since: BEFORE, by: 'node' }] } });
    }
  });

  it.each(RIGHTS)('of a volume that nobody holds is for who attaches it himself: shown $by $grant', (right) => {
    const decision = decideTake(undefined, request(right), NOW);
    if (right.by === 'node') {
      expect(decision).toMatchObject({ next: { holders: [{ node: 'me', since: NOW, by: 'node' }] } });
    } else {
      const message = expect.stringContaining('it is attached to no node') as string;
      expect(decision).toMatchObject({ error: { code: 'BERTH_GRANT_OUTDATED', message } });
    }
  });

  it.each(RIGHTS)('of what another node holds is refused, and names that node: shown $by $grant', (right) => {
    for (const state of STATES) {
      const decision = decideTake(recordOf(holder('controller', state, 'one', 'other')), request(right), NOW);
      const code = right.by === 'node' ? 'BERTH_VOLUME_HELD' : 'BERTH_GRANT_OUTDATED';
      const message = expect.stringContaining('attached to') as string;
      expect(decision).toMatchObject({ kind: 'refused', error: { code, message, status: 'FAILED_PRECONDITION' } });
    }
  });

  it('beside other readers is refused as well where the record does not name it: it would be one too many', () => {
    const way = { mode: 'MULTI_NODE_READER_ONLY', readOnly: true } as const;
    const record: HolderRecord = { ...recordOf(holder('controller', 'staged', 'one', 'other')), ...way };
    const late = decideTake(record, request({ by: 'attach', grant: 'two' }, way), NOW);
    expect(late).toMatchObject({ error: { code: 'BERTH_GRANT_OUTDATED' } });
    const own = decideTake(record, request({ by: 'node' }, way), NOW);
    expect(own).toMatchObject({ next: { holders: [{ node: 'other' }, { node: 'me', by: 'node' }] } });
  });

  it('is told what happened: attached anew since, or by an attach that had no name', () => {
    const say = (one: Holder, grant: string): unknown => {
      const decision = decideTake(recordOf(one), request({ by: 'attach', grant }), NOW);
      return decision.kind === 'refused' ? decision.error.message : decision;
    };
    expect(say(holder('controller', 'granted', 'two'), 'one')).toContain('detached and attached anew since');
    expect(say(holder('controller', 'granted', undefined), 'one')).toContain('attached in another way');
  });

  it('that shows the right grant may not go beyond it', () => {
    const record: HolderRecord = { ...recordOf(holder('controller', 'granted', 'one')), readOnly: true };
    const decision = decideTake(record, request({ by: 'attach', grant: 'one' }), NOW);
    expect(decision).toMatchObject({ error: { code: 'BERTH_BEYOND_ATTACH' } });
  });
});
