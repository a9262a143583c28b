/** Virtual machines with volumes of ours that are too small, as `berth doctor` finds them in the API. */
import { beforeEach, describe, expect, it } from 'vitest';
import { checkGuestMemory } from '../../../../src/diagnosis/guest/guest-memory.js';
import { StorageObjects } from '../../../../src/kube/storage-objects.js';
import { KATA_HANDLERS } from '../../../../src/sandbox/choose-sandbox.js';
import { apiFixture, PODS, PVCS, PVS, RUNTIME_CLASSES, soon } from '../../../kube/api-fixture.js';

const DRIVER = 'rbd.csi.berth.dev';
const at = apiFixture();
const check = () =>
  checkGuestMemory({ objects: new StorageObjects(at.api), kataHandlers: KATA_HANDLERS, driver: DRIVER }, soon());

/** With an overhead of 32 MiB. */
function pod(
  name: string,
  limit: string,
  { claim = 'data', runtimeClass = 'kata-qemu', phase = 'Running' } = {},
): void {
  at.server.put(PODS, {
    metadata: { name, namespace: 'shop' },
    spec: {
      ...{ runtimeClassName: runtimeClass, overhead: { memory: '32Mi' } },
      containers: [{ resources: { limits: { memory: limit } } }],
      volumes: [{ name: 'd', persistentVolumeClaim: { claimName: claim } }],
    },
    status: { phase },
  });
}

function claim(name: string, driver: string): void {
  at.server.put(PVCS, { metadata: { name, namespace: 'shop' }, spec: { volumeName: `pv-${name}` } });
  at.server.put(PVS, { metadata: { name: `pv-${name}` }, spec: { csi: { driver, volumeHandle: `h/${name}` } } });
}

beforeEach(() => {
  at.server.put(RUNTIME_CLASSES, { metadata: { name: 'kata-qemu' }, handler: 'kata-qemu' });
  at.server.put(RUNTIME_CLASSES, { metadata: { name: 'gvisor' }, handler: 'runsc' });
  claim('data', DRIVER);
  claim('theirs', 'another.csi.driver');
});

describe('berth doctor on virtual machines with volumes of ours', () => {
  it('of which one does not come up with its memory: a warning names it, and what to do', async () => {
    pod('db-0', '64Mi');
    pod('web-0', '128Mi');
    const { level, says } = await check();
    expect(level).toBe('warning');
    expect(says).toMatch(/^pod shop\/db-0 has 96 MiB.*did not come up.*256 MiB.*; pod shop\/web-0 has 160 MiB/);
  });

  it('that come up, and are too small for a database: names them, without a warning', async () => {
    pod('web-0', '128Mi');
    expect(await check()).toMatchObject({ level: 'ok', says: expect.stringContaining('web-0 has 160 MiB') as string });
  });

  it('that are large enough, containers, ended, or of other drivers: nothing to tell', async () => {
    pod('large', '224Mi');
    pod('container', '32Mi', { runtimeClass: 'gvisor' });
    pod('ended', '32Mi', { phase: 'Succeeded' });
    pod('other', '32Mi', { claim: 'theirs' });
    pod('unbound', '32Mi', { claim: 'none' });
    expect(await check()).toEqual({
      ...{ name: 'guest-memory', level: 'ok', says: 'no virtual machine is known to be too small' },
    });
  });

  it('of very many small pods: looks at the first of them, and says how many it left out', async () => {
    for (let n = 0; n < 25; n += 1) pod(`db-${String(n).padStart(2, '0')}`, '64Mi');
    const before = at.server.asked.length;
    const { says } = await check();
    expect(says).toMatch(/and 17 more; 5 more small pods were not looked at$/);
    expect(at.server.asked.length - before).toBeLessThan(50);
  });

  it('where the API may not be asked: says so, and that is no warning', async () => {
    at.server.mayCall = () => false;
    expect(await check()).toMatchObject({
      level: 'ok',
      says: expect.stringMatching(/^not looked at: .*trace/) as string,
    });
  });
});
