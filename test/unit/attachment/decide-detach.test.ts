/**
 * When a holder is gone, is fenced, or has to be waited for: every combination against the rule, written down a second
 * time.
 */
import { describe, expect, it } from 'vitest';
import { decideDetachment, FENCING_POLICIES, type DetachFacts } from '../../../src/attachment/decide-detach.js';
import type { NodeState, NodeStateAnswer } from '../../../src/attachment/node-state.js';
import type { NodeRegistration } from '../../../src/attachment/node-registry.js';
import { HOLDER_STATES, type Holder, type HolderRecord } from '../../../src/attachment/holder-record.js';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
const LOST_AFTER_S = 300;
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };
const OWN = { address: CLIENT.address, client: 42n };
const STRANGER = { address: '10.0.0.1:0/43', client: 43n };

const STATES = [...HOLDER_STATES, undefined];
const CLIENTS = ['recorded', 'unrecorded'] as const;
const WATCHERS = ['own', 'stranger', 'nobody', 'unsettled', 'failed'] as const;
const VIEWS = [
  'ready',
  'ready, tainted',
  'not ready',
  'long not ready',
  'tainted',
  'rebooted',
  'absent',
  'unknown',
] as const;
const HEARD = ['now', 'long ago', 'never'] as const;
const BLOCKED = ['no', 'yes', 'nearly over'] as const;
const WAYS = ['writer', 'reader'] as const;

interface Case {
  readonly state: (typeof STATES)[number];
  readonly clients: (typeof CLIENTS)[number];
  readonly watchers: (typeof WATCHERS)[number];
  readonly view: (typeof VIEWS)[number];
  readonly heard: (typeof HEARD)[number];
  readonly blocked: (typeof BLOCKED)[number];
  readonly way: (typeof WAYS)[number];
  readonly policy: (typeof FENCING_POLICIES)[number];
}

function viewOf(view: Case['view']): NodeStateAnswer {
  const node: NodeState = { bootId: 'boot-1', ready: 'true', notReadySince: undefined, outOfService: false };
  const since = (seconds: number) => ({ ready: 'unknown', notReadySince: ago(seconds) }) as const;
  const views: Record<Case['view'], NodeStateAnswer> = {
    ready: node,
    'ready, tainted': { ...node, outOfService: true },
    'not ready': { ...node, ...since(60) },
    'long not ready': { ...node, ...since(LOST_AFTER_S) },
    tainted: { ...node, ...since(60), outOfService: true },
    rebooted: { ...node, bootId: 'boot-2' },
    absent: 'absent',
    unknown: 'unknown',
  };
  return views[view];
}

const registrationOf = (heard: Case['heard'], bootId = 'boot-1'): NodeRegistration | undefined =>
  heard === 'never'
    ? undefined
    : { version: 1, node: 'a', bootId, driver: '0', mappers: [], seen: heard === 'now' ? ago(10) : ago(LOST_AFTER_S) };

function factsOf(one: Case, more: Partial<DetachFacts> = {}): DetachFacts {
  const holder: Holder = {
    ...{ node: 'a', since: ago(9_000), by: 'controller' },
    ...(one.state === undefined || one.state === 'granted' ? {} : { at: ago(8_000), bootId: 'boot-1' }),
    ...(one.state === undefined ? {} : { state: one.state }),
    ...(one.clients === 'recorded' ? { clients: [CLIENT] } : {}),
  };
  const record: HolderRecord = {
    ...{ version: 1, mode: 'SINGLE_NODE_WRITER', access: 'block', readOnly: one.way === 'reader' },
    holders: [holder],
  };
  const watchers = one.watchers === 'own' ? [OWN] : one.watchers === 'stranger' ? [STRANGER] : [];
  const left = one.blocked === 'yes' ? 86_400_000 : 30_000;
  return {
    ...{ record, holder, unasked: false, policy: one.policy, lostAfterMs: LOST_AFTER_S * 1000, now: NOW },
    ...{ view: viewOf(one.view), registration: registrationOf(one.heard) },
    sighting: one.watchers === 'failed' ? undefined : { watchers, settled: one.watchers !== 'unsettled' },
    blocked: new Map(one.blocked === 'no' ? [] : [[CLIENT.address, NOW + left]]),
    ...more,
  };
}

type Health = 'alive' | 'rebooted' | 'out-of-service' | 'lost' | 'absent' | 'unclear';

/** A node's own word that it is in the recorded boot goes before what its orchestrator still shows. */
function healthIn({ state, view, heard }: Case): Health {
  const knowsBoot = state !== undefined && state !== 'granted';
  if (view === 'rebooted') return knowsBoot && heard !== 'now' ? 'rebooted' : 'alive';
  if (view === 'ready' || view === 'ready, tainted') return 'alive';
  if (view === 'tainted') return 'out-of-service';
  if (view === 'long not ready') return heard === 'now' ? 'unclear' : 'lost';
  if (view === 'not ready') return 'unclear';
  if (heard === 'now') return 'alive';
  return view === 'absent' || heard === 'never' ? 'absent' : 'unclear';
}

type Kind = 'gone' | 'fence' | 'wait';
interface Known extends Case {
  readonly health: Health;
  readonly recorded: boolean;
  readonly stranger: boolean;
  /** Neither granted nor unknown to the record. */
  readonly begun: boolean;
}

/** The rule once more; the first that fits decides. */
const RULES: readonly (readonly [Kind, (one: Known) => boolean])[] = [
  ['gone', ({ state }) => state === 'released'],
  ['wait', ({ watchers }) => watchers === 'unsettled' || watchers === 'failed'],
  ['wait', ({ begun, stranger }) => !begun && stranger],
  ['gone', ({ state }) => state === 'granted'],
  ['wait', ({ begun, health }) => !begun && (health === 'unclear' || health === 'lost')],
  ['gone', ({ begun }) => !begun],
  ['wait', ({ recorded, blocked, stranger }) => recorded && blocked === 'yes' && stranger],
  ['gone', ({ recorded, blocked }) => recorded && blocked === 'yes'],
  ['wait', ({ health }) => health === 'alive' || health === 'unclear'],
  ['wait', ({ health, policy }) => health === 'lost' && policy !== 'node-lost'],
  ['gone', ({ state, recorded }) => state === 'staging' && !recorded],
  ['gone', ({ way }) => way === 'reader'],
  ['wait', ({ watchers, recorded, health }) => watchers === 'own' && recorded && health !== 'out-of-service'],
  ['wait', ({ health, stranger }) => health === 'rebooted' && stranger],
  ['gone', ({ health, policy, recorded }) => health === 'rebooted' && (policy === 'never' || !recorded)],
  ['gone', ({ policy, health, stranger }) => policy === 'never' && health === 'absent' && !stranger],
  ['wait', ({ policy }) => policy === 'never'],
  ['fence', ({ recorded }) => recorded],
  ['wait', ({ stranger, health }) => stranger || health === 'lost'],
  ['gone', () => true],
];

function expected(one: Case): Kind {
  const recorded = one.clients === 'recorded';
  const stranger = one.watchers === 'stranger' || (one.watchers === 'own' && !recorded);
  const begun = one.state !== undefined && one.state !== 'granted';
  const known: Known = { ...one, recorded, stranger, begun, health: healthIn(one) };
  return RULES.find(([, fits]) => fits(known))![0];
}

const cases = STATES.flatMap((state) =>
  CLIENTS.flatMap((clients) =>
    WATCHERS.flatMap((watchers) =>
      VIEWS.flatMap((view) =>
        HEARD.flatMap((heard) =>
          BLOCKED.flatMap((blocked) =>
            WAYS.flatMap((way) =>
              FENCING_POLICIES.map((policy): Case => ({ state, clients, watchers, view, heard, blocked, way, policy })),
            ),
          ),
        ),
      ),
    ),
  ),
);

describe('a holder', () => {
  it(`is gone, fenced or waited for as the rule says, in all ${cases.length} combinations`, () => {
    const wrong = cases.filter((one) => decideDetachment(factsOf(one)).kind !== expected(one));
    expect(wrong.slice(0, 3).map((one) => [one, expected(one), decideDetachment(factsOf(one))])).toEqual([]);
  });

  it('is never fenced while anybody vouches for its node, nor with the policy never, nor by a look that failed', () => {
    const fenced = cases.filter((one) => decideDetachment(factsOf(one)).kind === 'fence');
    expect(fenced.length).toBeGreaterThan(50);
    for (const one of fenced) {
      expect(one.policy).not.toBe('never');
      expect(['ready', 'ready, tainted', 'not ready'], JSON.stringify(one)).not.toContain(one.view);
      expect(['unsettled', 'failed']).not.toContain(one.watchers);
      expect(one.clients).toBe('recorded');
      if (one.view === 'long not ready')
        expect(one).toMatchObject({ policy: 'node-lost', watchers: expect.not.stringMatching('own') as string });
    }
  });

  it('that staged as a writer is never gone by an empty list of watchers alone', () => {
    const alone = cases.filter(
      ({ state, watchers, view, heard, blocked, way }) =>
        state === 'staged' &&
        watchers === 'nobody' &&
        way === 'writer' &&
        blocked !== 'yes' &&
        (view === 'ready' || view === 'not ready' || (view === 'unknown' && heard !== 'never')),
    );
    for (const one of alone) expect(decideDetachment(factsOf(one)).kind, JSON.stringify(one)).toBe('wait');
  });

  it('that waits names its node’s state, and what would help', () => {
    for (const one of cases) {
      const verdict = decideDetachment(factsOf(one));
      if (verdict.kind !== 'wait') continue;
      expect(verdict.todo).not.toBe('');
      expect(verdict.why).toMatch(/Ready|no such Node object|its state is not known/);
    }
  });
});

const lost: Case = {
  ...{ state: 'staged', clients: 'recorded', watchers: 'own', view: 'tainted', heard: 'never' },
  ...{ blocked: 'no', way: 'writer', policy: 'out-of-service' },
};
const record = (...holders: [Holder, ...Holder[]]): HolderRecord => ({
  ...factsOf(lost).record,
  mode: 'MULTI_NODE_MULTI_WRITER',
  holders,
});
const holder = factsOf(lost).holder;

describe('a fence', () => {
  it('is aimed at the recorded instance alone, with its evidence and the last word of its node', () => {
    const verdict = decideDetachment(
      factsOf({ ...lost, heard: 'now' }, { sighting: { watchers: [OWN, STRANGER], settled: true } }),
    );
    expect(verdict).toMatchObject({ kind: 'fence', clients: [CLIENT], heard: ago(10) });
    expect(verdict).toMatchObject({
      evidence: expect.stringMatching(/tainted.*client\.42 at 10\.0\.0\.1:0\/42 watches it/) as string,
    });
  });

  it('includes the address by which the cluster knows the client, where that is another one', () => {
    const translated = { address: '192.0.2.1:0/42', client: 42n };
    const verdict = decideDetachment(factsOf(lost, { sighting: { watchers: [translated], settled: true } }));
    expect(verdict).toMatchObject({ clients: [CLIENT, { address: translated.address, client: 'client.42' }] });
  });

  it.each([
    ['a whole address', '10.0.0.1:0/0', /more than one instance/],
    ['what is not an instance', '10.0.0.1', /more than one instance/],
  ])('is never aimed at %s', (_what, address, why) => {
    const vague = { ...holder, clients: [{ address, client: 'client.42' }] };
    const verdict = decideDetachment(
      factsOf(lost, { record: record(vague), holder: vague, sighting: { watchers: [], settled: true } }),
    );
    expect(verdict).toMatchObject({ kind: 'wait', why: expect.stringMatching(why) as string });
  });

  it('is never aimed at a client that another holder has, too', () => {
    const other = { ...holder, node: 'b' };
    const verdict = decideDetachment(factsOf(lost, { record: record(holder, other) }));
    expect(verdict).toMatchObject({ kind: 'wait', why: expect.stringContaining('another node') as string });
  });

  it('that is half made proves nothing', () => {
    const two = { ...holder, clients: [CLIENT, { address: '10.0.0.1:0/44', client: 'client.44' }] };
    const blocked = new Map([[CLIENT.address, NOW + 86_400_000]]);
    expect(decideDetachment(factsOf(lost, { record: record(two), holder: two, blocked }))).toMatchObject({
      kind: 'fence',
    });
    expect(decideDetachment(factsOf(lost, { blocked: undefined }))).toMatchObject({ kind: 'fence' });
  });
});

describe('another holder', () => {
  const granted: Holder = { node: 'a', since: ago(1), by: 'controller', state: 'granted' };
  it('explains its own client, and one whose clients are not recorded explains any', () => {
    const seen = { sighting: { watchers: [OWN], settled: true }, holder: granted };
    const known = { ...holder, node: 'b' };
    expect(decideDetachment(factsOf(lost, { ...seen, record: record(granted, known) })).kind).toBe('gone');
    const unknown: Holder = { node: 'b', since: known.since, by: 'controller', state: 'staged', bootId: 'boot-1' };
    expect(decideDetachment(factsOf(lost, { ...seen, record: record(granted, unknown) })).kind).toBe('gone');
    const idle: Holder = { ...granted, node: 'b' };
    expect(decideDetachment(factsOf(lost, { ...seen, record: record(granted, idle) })).kind).toBe('wait');
  });
});

describe('a reboot', () => {
  const dead: Case = { ...lost, watchers: 'nobody', view: 'unknown' };
  const registration = registrationOf('now', 'boot-2')!;
  it('is believed from the node’s own registration, if that is younger than the record', () => {
    expect(decideDetachment(factsOf(dead, { registration }))).toMatchObject({
      ...{ kind: 'fence', clients: [CLIENT], heard: registration.seen },
      evidence: expect.stringMatching(/booted anew/) as string,
    });
    const older = { ...registration, seen: ago(8_500) };
    expect(decideDetachment(factsOf(dead, { registration: older })).kind).toBe('wait');
  });

  it('is enough where fencing is off, or nobody can be fenced, and says so', () => {
    expect(decideDetachment(factsOf({ ...dead, policy: 'never' }, { registration }))).toMatchObject({
      kind: 'gone',
      evidence: expect.stringMatching(/booted anew.*nothing was fenced/) as string,
    });
    expect(decideDetachment(factsOf({ ...dead, clients: 'unrecorded' }, { registration }))).toMatchObject({
      kind: 'gone',
      evidence: expect.stringMatching(/booted anew.*no instance is recorded/) as string,
    });
  });

  it('does not end a client that still watches', () => {
    expect(decideDetachment(factsOf({ ...dead, watchers: 'own' }, { registration }))).toMatchObject({ kind: 'wait' });
  });
});
