/** For each step of each operation of the node: how a volume comes to the eve of it, and what has to be true after the retry. */
import assert from 'node:assert/strict';
import type { ANSWER, NodeOperationName, NodeStep, START } from '../../src/volume/steps.js';
import type { Ground, Holder, Kind, Subject, Traces } from './subject.js';

export interface Scenario {
  readonly kind: Kind;
  /** Has no filesystem and no data yet. */
  readonly fresh: boolean;
  /** From "not on the node" to just before the call; the driver that runs dies at the step. */
  before(subject: Subject, ground: Ground, point: string): Promise<void>;
  call(subject: Subject): Promise<void>;
  /** What the orchestrator does when the driver runs again; ends with the volume published. */
  after(subject: Subject, data: string): Promise<void>;
  /** Variables of the driver that dies. */
  readonly env?: (ground: Ground) => Readonly<Record<string, string>>;
}

const NOWHERE = { devices: 0, stagingMounts: 0, targetMounts: 0, target: false, journal: undefined } as const;

const STAGED = { devices: 1, stagingMounts: 1, targetMounts: 0, target: false, journal: 'staged 0' } as const;

async function isHeldBy(subject: Subject, by: Holder): Promise<void> {
  assert.equal(await subject.holder(), by);
}

async function expectTraces(subject: Subject, expected: Partial<Traces>): Promise<void> {
  const mounted = subject.kind === 'block' && expected.stagingMounts !== undefined ? { stagingMounts: 0 } : {};
  const found = await subject.traces();
  assert.deepEqual(found, { ...found, ...expected, ...mounted });
}

/** It is published once, from one device, and holds what was written; writing goes on. */
async function isPublished(subject: Subject, data: string): Promise<void> {
  await expectTraces(subject, { devices: 1, stagingMounts: 1, targetMounts: 1, target: true, journal: 'staged 1' });
  if (data !== '') assert.ok(await subject.holds(data), 'the data is gone');
}

const staged: Scenario['before'] = async (subject) => {
  await subject.attach();
  await subject.stage();
};
const published: Scenario['before'] = async (subject, ground, point) => {
  await staged(subject, ground, point);
  await subject.publish();
};

const stage: Scenario = {
  kind: 'ext4',
  fresh: false,
  before: (subject) => subject.attach(),
  call: (subject) => subject.stage(),
  after: async (subject, data) => {
    await subject.stage();
    await expectTraces(subject, STAGED);
    await subject.publish();
    await isPublished(subject, data);
  },
};
const freshStage: Scenario = { ...stage, fresh: true };
const grownStage: Scenario = {
  ...stage,
  before: async (subject) => {
    await subject.growImage();
    await subject.attach();
  },
};

/** Where nobody attaches, the node takes the record by itself. */
const unattached: Scenario = {
  ...stage,
  before: () => Promise.resolve(),
  after: async (subject, data) => {
    await subject.stage();
    await isHeldBy(subject, 'node');
    await subject.publish();
    await isPublished(subject, data);
  },
};

/** What a stage with other flags, cut short, left: mounted, and not as it is asked for now. */
const leftover: Scenario = {
  ...stage,
  before: async (subject, ground, point) => {
    await subject.attach();
    await ground.restart('stage:write staged');
    await ground.dies(() => subject.stage({ flags: ['noatime'] }));
    await ground.restart(point);
  },
};

/** A mapping of the other kind that no journal knows of. */
const otherKind: Scenario = {
  ...stage,
  kind: 'block',
  before: async (subject, ground, point) => {
    await staged(subject, ground, point);
    await ground.loseJournal();
    await ground.restart(point);
  },
  call: (subject) => subject.stage({ readOnly: true }),
  after: async (subject, data) => {
    await subject.stage({ readOnly: true });
    await subject.publish(true);
    await isPublished(subject, data);
  },
};

/** A stage that fails by itself, and is undone. */
const failing: Scenario = {
  ...unattached,
  call: (subject) => subject.stage({ fsType: 'xfs' }),
  after: async (subject, data) => {
    await assert.rejects(subject.stage({ fsType: 'xfs' }), /BERTH_FILESYSTEM_MISMATCH/);
    await expectTraces(subject, NOWHERE);
    await isHeldBy(subject, undefined);
    await unattached.after(subject, data);
  },
};

const publish: Scenario = {
  ...stage,
  before: staged,
  call: (subject) => subject.publish(),
  after: async (subject, data) => {
    await subject.publish();
    await isPublished(subject, data);
  },
};
const publishReadOnly: Scenario = {
  ...publish,
  kind: 'block',
  call: (subject) => subject.publish(true),
  after: async (subject, data) => {
    await subject.publish(true);
    await isPublished(subject, data);
  },
};
const failingPublish: Scenario = {
  ...publish,
  env: ({ refusingPath }) => ({ PATH: `${refusingPath}:${process.env['PATH'] ?? ''}` }),
};

const unpublish: Scenario = {
  ...stage,
  before: published,
  call: (subject) => subject.unpublish(),
  after: async (subject, data) => {
    await subject.unpublish();
    await expectTraces(subject, STAGED);
    await subject.publish();
    await isPublished(subject, data);
  },
};

const unstage: Scenario = {
  ...stage,
  before: staged,
  call: (subject) => subject.unstage(),
  after: async (subject, data) => {
    await subject.unstage();
    await expectTraces(subject, NOWHERE);
    await isHeldBy(subject, 'controller');
    await stage.after(subject, data);
  },
};
const unstageUnattached: Scenario = {
  ...unstage,
  before: (subject) => subject.stage(),
  after: async (subject, data) => {
    await subject.unstage();
    await expectTraces(subject, NOWHERE);
    await isHeldBy(subject, undefined);
    await unattached.after(subject, data);
  },
};
const unstageUnrecorded: Scenario = {
  ...unstage,
  before: async (subject, ground, point) => {
    await staged(subject, ground, point);
    await ground.loseJournal();
    await ground.restart(point);
  },
};
const unstageDamaged: Scenario = {
  ...unstage,
  before: async (subject, ground, point) => {
    await staged(subject, ground, point);
    await ground.damageJournal();
  },
};

const expand: Scenario = {
  ...stage,
  kind: 'xfs',
  before: async (subject, ground, point) => {
    await published(subject, ground, point);
    await subject.growImage();
  },
  call: (subject) => subject.growHere(),
  after: async (subject, data) => {
    await subject.growHere();
    await isPublished(subject, data);
  },
};

type StepOf<Op extends NodeOperationName> = NodeStep<Op> | typeof START | typeof ANSWER;

/** The table of steps again, with a scenario for each: a new step does not compile before it has one. */
export const SCENARIOS: { readonly [Op in NodeOperationName]: Readonly<Record<StepOf<Op>, Scenario>> } = {
  stage: {
    start: stage,
    'read journal': stage,
    look: stage,
    'unmount leftover': leftover,
    'unmap leftover': leftover,
    'write intent': unattached,
    'take holder record': unattached,
    map: unattached,
    'unmap other kind': otherKind,
    'map as asked': otherKind,
    'device size': stage,
    'record raw use': { ...freshStage, kind: 'block' },
    probe: stage,
    repair: stage,
    'record format intent': freshStage,
    mkfs: freshStage,
    'record format end': freshStage,
    'grow before mount': grownStage,
    mount: freshStage,
    'grow after mount': { ...grownStage, kind: 'xfs' },
    'write staged': stage,
    answer: stage,
    'undo mount': failing,
    'undo map': failing,
    'undo holder record': failing,
    'undo journal': failing,
  },
  publish: {
    start: publish,
    look: publish,
    'write target': publish,
    'switch device': publishReadOnly,
    'make target': publish,
    bind: publish,
    answer: publish,
    'undo target': failingPublish,
    'undo journal': failingPublish,
  },
  unpublish: {
    start: unpublish,
    look: unpublish,
    unmount: unpublish,
    'remove target': unpublish,
    'write target': unpublish,
    answer: unpublish,
  },
  unstage: {
    start: unstage,
    'read journal': unstage,
    'write unstaging': unstage,
    unmount: unstage,
    unmap: unstageUnattached,
    'give holder record back': unstageUnattached,
    'remove journal': unstageUnattached,
    'unmount unrecorded': unstageUnrecorded,
    'unmap unrecorded': unstageUnrecorded,
    'set journal aside': unstageDamaged,
    answer: unstage,
  },
  expand: { start: expand, look: expand, 'device size': expand, 'grow filesystem': expand, answer: expand },
};

export interface CrashCase {
  /** `stage:mkfs`, as BERTH_CRASH_AT has it but for the volume. */
  readonly at: string;
  /** Into the step, while its child works. */
  readonly ms: number | undefined;
  readonly scenario: Scenario;
}

/** Milliseconds into steps whose work a child does, so that it is cut in the middle. */
const WITHIN: readonly (readonly [op: NodeOperationName, step: string, ms: readonly number[]])[] = [
  ['stage', 'map', [30, 90]],
  ['stage', 'mkfs', [10, 25]],
  ['stage', 'mount', [4]],
  ['publish', 'bind', [4]],
  ['unstage', 'unmap', [15]],
  ['expand', 'grow filesystem', [4]],
];

/** Every case of these operations, one for each step and those in the middle of a step. */
export function crashCases(...ops: readonly NodeOperationName[]): readonly CrashCase[] {
  return ops.flatMap((op) => {
    const steps = Object.entries<Scenario>(SCENARIOS[op]);
    const atSteps = steps.map(([step, scenario]) => ({ at: `${op}:${step}`, ms: undefined, scenario }));
    const within = WITHIN.filter((one) => one[0] === op).flatMap(([, step, ms]) => {
      const scenario = new Map(steps).get(step);
      if (scenario === undefined) throw new Error(`there is no step ${op}:${step}`);
      return ms.map((one) => ({ at: `${op}:${step}`, ms: one, scenario }));
    });
    return [...atSteps, ...within];
  });
}
