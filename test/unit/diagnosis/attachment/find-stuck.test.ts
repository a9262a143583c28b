/** Which attachments are stuck now, and the lines that `berth attachments` prints of them. */
import { expect, it } from 'vitest';
import { printStuck } from '../../../../src/cli/print-attachments.js';
import { findStuckAttachments } from '../../../../src/diagnosis/attachment/find-stuck.js';
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
