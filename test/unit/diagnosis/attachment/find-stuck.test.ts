/** Which attachments are stuck now, and the lines that `berth attachments` prints of them. */
import { expect, it } from 'vitest';
import { printStuck } from '../../../../src/cli/print-attachments.js';
import { findStuckAttachments } from '../../../../src/diagnosis/attachment/find-stuck.js';
import { berthError } from '../../../../src/model/errors.js';
import { attachmentFixture } from '../../../kube/attachment-fixture.js';

const at = attachmentFixture();
const find = () => findStuckAttachments({ api: at.attachments, images: at.ceph, now: () => new Date() });

it('finds none where API and image agree, and counts them all', async () => {
  await at.attach('a');
  at.va();
  expect(await find()).toEqual({ all: 1, stuck: [] });
  expect(printStuck(await find())).toBe('1 attachments, 0 stuck\n');
});

it('names what is stuck with its reason', async () => {
  await at.attach('a');
  at.va({ deleting: true });
  const found = await find();
  expect(found.stuck.map(({ reason }) => reason)).toEqual(['AttacherSilent']);
  expect(printStuck(found)).toMatch(/^AttacherSilent: .*\n1 attachments, 1 stuck\n$/);
});

it('a cluster whose records cannot be read: says so, and calls nobody to repeat a call', async () => {
  const listHolders = () =>
    Promise.reject(berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'nobody answers' }));
  const images = { ...at.ceph, listHolders };
  const found = await findStuckAttachments({ api: at.attachments, images, now: () => new Date() });
  expect(found.whyNoHolders).toMatch(/^BERTH_CLUSTER_UNREACHABLE: /);
  expect(printStuck(found)).toMatch(/^holders without an attachment are not known: (?!.*may be repeated)/);
});
