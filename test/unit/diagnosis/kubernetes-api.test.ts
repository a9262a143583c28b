/** The doctor's look at the Kubernetes API, over real HTTP: answers, rights, refusals, and when nobody is asked. */
import { describe, expect, it } from 'vitest';
import { checkKubernetes, type KubernetesSeen } from '../../../src/diagnosis/kubernetes-api.js';
import { messageOf } from '../../../src/diagnosis/message-of.js';
import { RIGHTS, rightsMissing } from '../../../src/kube/access-review.js';
import { Deadline } from '../../../src/model/deadline.js';
import { berthError } from '../../../src/model/errors.js';
import { apiFixture } from '../../kube/api-fixture.js';

const at = apiFixture();
const seen = (more: Partial<KubernetesSeen> = {}): KubernetesSeen => ({
  ...{ server: at.api.server, choice: 'auto', fault: undefined, isPodWithoutAccount: false },
  rightsMissing: async (roles, deadline) =>
    rightsMissing(
      at.api,
      roles.flatMap((role) => RIGHTS[role]),
      deadline,
    ),
  ...more,
});
const check = (more: Partial<KubernetesSeen> = {}, ms = 10_000) =>
  checkKubernetes(seen(more), ['controller', 'node'], Deadline.after(ms));

describe('the Kubernetes API', () => {
  it('that answers and allows all is well', async () => {
    expect(await check()).toEqual({
      ...{ name: 'kubernetes', level: 'ok', says: `${at.api.server} answers, and allows what is needed` },
    });
    expect(at.server.asked.every(({ url }) => url.endsWith('/selfsubjectaccessreviews'))).toBe(true);
  });

  it('that forbids something fails, and each right is named', async () => {
    at.server.denied.add('list volumeattachments').add('get runtimeclasses');
    const { level, says } = await check();
    expect(level).toBe('failed');
    expect(says).toMatch(/may not list volumeattachments\.storage\.k8s\.io, get runtimeclasses\.node\.k8s\.io/);
  });

  it('that refuses the credentials, or connections, fails with its words and without a comfort', async () => {
    at.server.tokens = new Set(['another']);
    expect((await check()).says).toMatch(/does not accept the credentials of Berth: Unauthorized/);
    const { server } = at.api;
    await at.server.stop();
    const { level, says } = await check();
    expect(level).toBe('failed');
    expect(says).toMatch(`the Kubernetes API ${server} gave no usable answer`);
    expect(says).not.toContain('repeated');
    await at.server.start();
  });

  it('of a kubeconfig that cannot be used fails with what is wrong in it', async () => {
    const fault = berthError('BERTH_CONFIG_INVALID', { file: '/k', why: 'not YAML' });
    expect(await check({ fault, server: undefined })).toMatchObject({
      ...{ level: 'failed', says: 'configuration /k: not YAML; correct the file' },
    });
  });

  it('is not asked where there is none, and a pod without an account is warned', async () => {
    expect((await check({ server: undefined, choice: 'off' })).says).toBe('not asked: switched off');
    expect(await check({ server: undefined })).toMatchObject({ level: 'ok' });
    expect(await check({ server: undefined, isPodWithoutAccount: true })).toMatchObject({ level: 'warning' });
    expect(at.server.asked).toEqual([]);
  });
});

it('what a finding says of an error tells nobody to repeat a call', () => {
  const deadline = berthError('BERTH_DEADLINE', { what: 'connecting to c1', ms: 5_000 });
  expect(messageOf(deadline)).toBe('connecting to c1 did not end in 5000 ms');
  const down = berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });
  expect(messageOf(down)).toBe('cluster c1 cannot be reached: no monitor answers; check monitors and network');
});
