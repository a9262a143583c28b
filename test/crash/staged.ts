/** What most scenarios are made of: a volume that is attached, staged, published. */
import { expectTraces, isPublished, STAGED, type Scenario } from './scenario.js';

export const staged: Scenario['before'] = async (subject) => {
  await subject.attach();
  await subject.stage();
};
export const published: Scenario['before'] = async (subject, node, point) => {
  await staged(subject, node, point);
  await subject.publish();
};

export const stage: Scenario = {
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
