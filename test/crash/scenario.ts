/** What a crash scenario is, and what it can prove of its volume. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CrashNode, Holder, Kind, Subject, Traces } from './subject.js';

export interface Scenario {
  readonly kind: Kind;
  /** Has no filesystem and no data yet. */
  readonly fresh: boolean;
  /** From "not on the node" to just before the call; the driver that runs dies at the step. */
  before(subject: Subject, node: CrashNode, point: string): Promise<void>;
  call(subject: Subject): Promise<void>;
  /** What the orchestrator does when the driver runs again; ends with the volume published. */
  after(subject: Subject, data: string): Promise<void>;
  /** Needs a node that knows guests. */
  readonly guests?: true;
  /** Variables of the driver that dies. */
  readonly env?: (node: CrashNode) => Readonly<Record<string, string>>;
}

const NOTHING = { stagingMounts: 0, targetMounts: 0, target: false, records: 0 } as const;
export const NOWHERE = { ...NOTHING, devices: 0, journal: undefined } as const;

export const STAGED = { ...NOTHING, devices: 1, stagingMounts: 1, journal: 'staged 0' } as const;

const isGuests = ({ kind }: Subject): boolean => kind.startsWith('kata');

export async function isHeldBy(subject: Subject, by: Holder): Promise<void> {
  assert.equal(await subject.holder(), by);
}

export async function expectTraces(subject: Subject, expected: Partial<Traces>): Promise<void> {
  const mounted =
    (subject.kind === 'block' || isGuests(subject)) && expected.stagingMounts !== undefined ? { stagingMounts: 0 } : {};
  const found = await subject.traces();
  assert.deepEqual(found, { ...found, ...expected, ...mounted });
}

/** How long a cluster in a slow guest may take to take a record back, and the pause between two looks, in ms. */
const OWED_MS = 60_000;
const PAUSE_MS = 250;

/**
 * After an unstage: nothing is in the kernel, at once; and nothing in the journal, when the cluster has the holder
 * record back. The answer does not wait for that longer than 5 s, and the entry is `unstaging` for as long.
 */
export async function isOffTheNode(subject: Subject): Promise<void> {
  const until = performance.now() + OWED_MS;
  let found = await subject.traces();
  while (found.journal === 'unstaging 0' && performance.now() < until) {
    assert.deepEqual({ ...found, journal: undefined }, NOWHERE);
    await sleep(PAUSE_MS);
    found = await subject.traces();
  }
  assert.deepEqual(found, NOWHERE);
}

/** It is published once, from one device, and holds what was written; writing goes on. */
export async function isPublished(subject: Subject, data: string): Promise<void> {
  const records = isGuests(subject) ? 1 : 0;
  const mounts = { stagingMounts: 1, targetMounts: 1, target: true };
  await expectTraces(subject, { devices: 1, ...mounts, records, journal: 'staged 1' });
  if (data !== '') assert.ok(await subject.holds(data), 'the data is gone');
}
