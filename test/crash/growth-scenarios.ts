/** Scenarios of growth: mounted, behind a snapshot, and after one that was cut short. */
import { isPublished, type Scenario } from './scenario.js';
import { published, stage, staged } from './staged.js';

export const grownStage: Scenario = {
  ...stage,
  before: async (subject) => {
    await subject.growImage();
    await subject.attach();
  },
};

/** A guest's: nobody mounts it here, so that it grows behind a snapshot. */
export const guarded: Scenario = { ...grownStage, kind: 'kata', guests: true };
/** Such a growth was cut short by an earlier death. */
export const halfGrown: Scenario = {
  ...guarded,
  before: async (subject, node, point) => {
    await grownStage.before(subject, node, point);
    await node.restart('stage:resize unmounted');
    await node.dies(() => subject.stage());
    await node.restart(point);
  },
};

export const expand: Scenario = {
  ...stage,
  kind: 'xfs',
  before: async (subject, node, point) => {
    await published(subject, node, point);
    await subject.growImage();
  },
  call: (subject) => subject.growHere(),
  after: async (subject, data) => {
    await subject.growHere();
    await isPublished(subject, data);
  },
};

/** A guest's that no pod has yet. Cut short, it is staged anew. */
export const unusedExpand: Scenario = {
  ...stage,
  kind: 'kata',
  guests: true,
  before: async (subject, node, point) => {
    await staged(subject, node, point);
    await subject.growImage();
  },
  call: (subject) => subject.growStaged(),
};
