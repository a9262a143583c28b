/** What Kubernetes says of volumes to the search for garbage: listed anew and as watched, and never by old news. */
import { afterEach, expect, it } from 'vitest';
import { askListedVolumes, askWatchedVolumes } from '../../../src/reconcile/garbage/ask-volumes.js';
import { Deadline } from '../../../src/model/deadline.js';
import { attachmentFixture, VOLUME } from '../../kube/attachment-fixture.js';
import { soon } from '../../kube/api-fixture.js';

const at = attachmentFixture();
const installation = { known: () => Promise.resolve('here') };
const asked = () => ({ kube: { attachments: at.attachments }, installation });
afterEach(() => at.attachments.stop());

it.each([
  ['listed', askListedVolumes],
  ['watched', askWatchedVolumes],
] as const)('%s: a PersistentVolume is known by handle and by name, a claim by its uid', async (_, ask) => {
  at.attachments.start();
  at.claim();
  const known = await ask(asked())(soon());
  expect(known?.installation).toBe('here');
  const [name] = (await at.attachments.listVolumes(soon())).map((one) => one.name);
  expect([known?.hasVolume(VOLUME, 'no name'), known?.hasVolume('c1/rbd/other', name!)]).toEqual([true, true]);
  expect(known?.hasVolume('c1/rbd/other', 'no name')).toBe(false);
  expect(await known?.claim('shop', 'no claim', soon())).toBeUndefined();
  expect(await known?.claim('shop', 'data', soon())).toEqual({ uid: expect.any(String) as string, volume: 'pv-1' });
});

it('watched, while the watches have no news: an error, and not a list of nothing', async () => {
  const deadline = Deadline.after(50);
  await expect(askWatchedVolumes(asked())(deadline)).rejects.toMatchObject({ code: 'BERTH_KUBE_UNREACHABLE' });
});

it.each([askListedVolumes, askWatchedVolumes])('without Kubernetes nobody knows (%o)', async (ask) => {
  expect(await ask({ kube: undefined, installation })(soon())).toBeUndefined();
});
