/**
 * A holder for which nobody asks: the rule is the same, but that a stage which has written nothing may be made to fail
 * on a living node.
 */
import { describe, expect, it } from 'vitest';
import { decideDetachment, type DetachFacts } from '../../../src/attachment/decide-detach.js';
import { HOLDER_STATES, type Holder, type HolderState } from '../../../src/attachment/holder-record.js';
import type { NodeStateAnswer } from '../../../src/attachment/node-state.js';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const RECENTLY = '2026-01-01T23:59:50Z';
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };
const STRANGER = { address: '10.0.0.1:0/43', client: 43n };

const VIEWS: Readonly<Record<string, NodeStateAnswer>> = {
  alive: { bootId: 'boot', ready: 'true', notReadySince: undefined, outOfService: false },
  unclear: { bootId: 'boot', ready: 'unknown', notReadySince: RECENTLY, outOfService: false },
  'out of service': { bootId: 'boot', ready: 'unknown', notReadySince: RECENTLY, outOfService: true },
};
const WATCHERS = { nobody: [], stranger: [STRANGER], unknown: undefined } as const;

interface Case {
  readonly state: HolderState | undefined;
  readonly by: Holder['by'];
  readonly clients: boolean;
  readonly watchers: keyof typeof WATCHERS;
  readonly view: keyof typeof VIEWS;
}

const cases = [...HOLDER_STATES, undefined].flatMap((state) =>
  (['controller', 'node'] as const).flatMap((by) =>
    [true, false].flatMap((clients) =>
      (['nobody', 'stranger', 'unknown'] as const).flatMap((watchers) =>
        Object.keys(VIEWS).map((view): Case => ({ state, by, clients, watchers, view })),
      ),
    ),
  ),
);

function factsOf({ state, by, clients, watchers, view }: Case, unasked: boolean): DetachFacts {
  const written = state === undefined || state === 'granted' ? {} : { at: RECENTLY, bootId: 'boot' };
  const holder: Holder = {
    ...{ node: 'a', since: '2026-01-01T00:00:00Z', by, ...written },
    ...(state === undefined ? {} : { state }),
    ...(clients ? { clients: [CLIENT] } : {}),
  };
  const seen = WATCHERS[watchers];
  return {
    record: { version: 1, mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, holders: [holder] },
    ...{ holder, unasked, policy: 'out-of-service', lostAfterMs: 300_000, now: NOW, view: VIEWS[view]! },
    registration: { version: 1, node: 'a', bootId: 'boot', driver: '0', mappers: [], seen: RECENTLY },
    sighting: seen && { watchers: seen, settled: true },
    blocked: new Map(),
  };
}

const isMadeToFail = ({ state, clients, watchers, view }: Case): boolean =>
  state === 'staging' && !clients && watchers === 'nobody' && view === 'alive';

describe('a holder for which nobody asks', () => {
  it.each(cases.filter((one) => !isMadeToFail(one)))(
    'is judged as any other: $state by $by, recorded clients $clients, open by $watchers, node $view',
    (one) => {
      // Why it waits may be said in another way.
      expect(decideDetachment(factsOf(one, true)).kind).toBe(decideDetachment(factsOf(one, false)).kind);
    },
  );

  it.each(cases.filter(isMadeToFail))('is gone where its node lives and has written nothing: by $by', (one) => {
    expect(decideDetachment(factsOf(one, false)).kind).toBe('wait');
    const evidence = expect.stringContaining('a stage that still runs fails before it writes') as string;
    expect(decideDetachment(factsOf(one, true))).toEqual({ kind: 'gone', evidence });
  });
});
