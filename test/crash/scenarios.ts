/**
 * For each step of each operation of the node: how a volume comes to the eve of it, and what has to be true after the
 * retry.
 */
import assert from 'node:assert/strict';
import type { ANSWER, NodeOperationName, NodeStep, START } from '../../src/volume/operation/steps.js';
import { expand, grownStage, guarded, halfGrown, unusedExpand } from './growth-scenarios.js';
import { expectTraces, isHeldBy, isOffTheNode, isPublished, STAGED, type Scenario } from './scenario.js';
import { published, stage, staged } from './staged.js';

const freshStage: Scenario = { ...stage, fresh: true };
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
  before: async (subject, node, point) => {
    await subject.attach();
    await node.restart('stage:write staged');
    await node.dies(() => subject.stage({ flags: ['noatime'] }));
    await node.restart(point);
  },
};

/** Fenced while it was away, and granted anew: what is staged here belongs to nobody. */
const lost: Scenario = {
  ...stage,
  before: async (subject, node, point) => {
    await staged(subject, node, point);
    await subject.grantAnew();
  },
};

/** Its filesystem has the uuid of another one, and gets one of its own. */
const copiedStage: Scenario = {
  ...stage,
  kind: 'xfs',
  before: async (subject) => {
    await subject.becomeCopy();
    await subject.attach();
  },
};

/** The kernel gave the filesystem up while no pod had it: checked and mounted anew. */
const stopped: Scenario['before'] = async (subject, node, point) => {
  await staged(subject, node, point);
  await subject.stopFilesystem();
};
const sick: Scenario = { ...stage, before: stopped };

/** A mapping of the other kind that no journal knows of. */
const otherKind: Scenario = {
  ...stage,
  kind: 'block',
  before: async (subject, node, point) => {
    await staged(subject, node, point);
    await node.loseJournal();
    await node.restart(point);
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
    await isOffTheNode(subject);
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
const sickPublish: Scenario = { ...publish, before: stopped };
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

/** Given to a virtual machine, never to be mounted here. */
const give: Scenario = { ...publish, kind: 'kata', guests: true };

/** Nobody knew at the stage that the pod would be one of the host. */
const undecided: Scenario = {
  ...publish,
  guests: true,
  before: async (subject) => {
    await subject.attach();
    await subject.stage({ sandbox: 'auto' });
  },
  call: (subject) => subject.publish(false, { sandbox: 'auto' }),
  after: async (subject, data) => {
    await subject.publish(false, { sandbox: 'auto' });
    await isPublished(subject, data);
  },
};
/** Mounted here for pods of the host, and then wanted by a guest. */
const handedOver: Scenario = {
  ...give,
  kind: 'kata-xfs',
  before: async (subject) => {
    await subject.attach();
    await subject.stage({ sandbox: 'host' });
  },
  call: (subject) => subject.publish(false, { sandbox: 'kata' }),
  after: async (subject, data) => {
    await subject.publish(false, { sandbox: 'kata' });
    await isPublished(subject, data);
  },
};
const grouped: Scenario = {
  ...publish,
  guests: true,
  call: (subject) => subject.publish(false, { group: '2000' }),
  after: async (subject, data) => {
    await subject.publish(false, { group: '2000' });
    await isPublished(subject, data);
  },
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
    await isOffTheNode(subject);
    await isHeldBy(subject, 'controller');
    await stage.after(subject, data);
  },
};
const unstageUnattached: Scenario = {
  ...unstage,
  before: (subject) => subject.stage(),
  after: async (subject, data) => {
    await subject.unstage();
    await isOffTheNode(subject);
    await isHeldBy(subject, undefined);
    await unattached.after(subject, data);
  },
};
const unstageUnrecorded: Scenario = {
  ...unstage,
  before: async (subject, node, point) => {
    await staged(subject, node, point);
    await node.loseJournal();
    await node.restart(point);
  },
};
const unstageDamaged: Scenario = {
  ...unstage,
  before: async (subject, node, point) => {
    await staged(subject, node, point);
    await node.damageJournal();
  },
};

type StepOf<Op extends NodeOperationName> = NodeStep<Op> | typeof START | typeof ANSWER;

/** The table of steps again, with a scenario for each: a new step does not compile before it has one. */
export const SCENARIOS: { readonly [Op in NodeOperationName]: Readonly<Record<StepOf<Op>, Scenario>> } = {
  stage: {
    start: stage,
    'read journal': stage,
    'cut off': lost,
    ...{
      'unmount lost': lost,
      'unmap lost': lost,
      'write mending': sick,
      'unmount sick': sick,
      look: stage,
      watchers: stage,
    },
    'unmount leftover': leftover,
    'unmap leftover': leftover,
    'write intent': unattached,
    ...{ 'take holder record': unattached, map: unattached },
    'unmap other kind': otherKind,
    ...{ 'map as asked': otherKind, 'record clients': unattached },
    'device size': stage,
    'record raw use': { ...freshStage, kind: 'block' },
    probe: stage,
    repair: stage,
    'record format intent': freshStage,
    mkfs: freshStage,
    'record format end': freshStage,
    ...{ 'roll growth back': halfGrown, 'record rolled back': halfGrown },
    ...{ 'grow before mount': guarded, 'record growth': guarded, 'take growth snapshot': guarded },
    ...{ 'resize unmounted': guarded, 'record grown': guarded, 'remove growth snapshot': guarded },
    ...{ 'apply journal of copy': copiedStage, 'record uuid intent': copiedStage },
    ...{ 'set uuid': copiedStage, 'record uuid end': copiedStage },
    mount: freshStage,
    'grow after mount': { ...grownStage, kind: 'xfs' },
    'unmount for guest': { ...grownStage, kind: 'kata-xfs', guests: true },
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
    ...{ 'write mending': sickPublish, 'unmount sick': sickPublish },
    ...{ 'check sick': sickPublish, 'mount anew': sickPublish },
    'mount on host': undecided,
    'own by group': grouped,
    'write unmounted': handedOver,
    'unmount for guest': handedOver,
    'mark as written by guest': { ...give, fresh: true },
    'write target': publish,
    'switch device': publishReadOnly,
    'make target': publish,
    bind: publish,
    'mount guard': give,
    'write kata record': give,
    answer: publish,
    'undo target': failingPublish,
    'undo journal': failingPublish,
  },
  unpublish: {
    start: unpublish,
    look: unpublish,
    'remove kata record': { ...unpublish, kind: 'kata', guests: true },
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
  expand: {
    ...{ start: expand, look: expand, 'device size': expand, 'grow filesystem': expand, answer: expand },
    ...{ 'record growth': unusedExpand, 'take growth snapshot': unusedExpand, 'resize unmounted': unusedExpand },
    ...{ 'record grown': unusedExpand, 'remove growth snapshot': unusedExpand },
  },
};
