/** The kernel client's outstanding requests, from debugfs as net/ceph/debugfs.c writes it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseOsdc, whatClientWaitsFor } from '../../../../../src/rbd/mapping/krbd/kernel-client.js';
import { FSID, kernelFixture, type KernelFixture } from '../kernel-fixture.js';

const REQUESTS = [
  'REQUESTS 3 homeless 1',
  '112\tosd3\t2.5f2d1c4a\t2.a\t[3,1]/3\t[3,1]/3\te41\trbd_data.10226b8b4567.0000000000000000\t0x400024\t1\twrite',
  '113\tosd3\t2.11111111\t2.b\t[3,1]/3\t[3,1]/3\te41\trbd_data.10226b8b4567.0000000000000001\t0x400024\t1\twrite',
  '114\tosd-1\t2.22222222\t2.c\t[]/-1\t[]/-1\te41\trbd_data.10226b8b4567.0000000000000002\t0x400014\t1\tread',
].join('\n');
const REST =
  'LINGER REQUESTS\n18446462598732840961\tosd5\t2.6e1b2c3d\t2.d\t[5]/5\t[5]/5\te41\trbd_header.10226b8b4567' +
  '\t0x20\t8\tWC/0\nBACKOFFS\n';

let kernel: KernelFixture;
beforeEach(async () => {
  kernel = await kernelFixture();
  const attributes = {
    ...{ cluster_fsid: FSID, pool: 'p', name: 'i', current_snap: '-', major: '252', minor: '0' },
    ...{ client_addr: '10.0.0.1:0/1', client_id: 'client4157' },
  };
  for (const [name, text] of Object.entries(attributes))
    await kernel.write(`sys/bus/rbd/devices/0/${name}`, `${text}\n`);
});
afterEach(() => kernel.remove());
const osdc = (text: string) => kernel.write(`sys/kernel/debug/ceph/${FSID}.client4157/osdc`, text);
const asked = () => whatClientWaitsFor('/dev/rbd0', kernel.roots.sys);

describe('the kernel client', () => {
  it('names the OSDs that it waits for, not those that it only watches', async () => {
    expect(parseOsdc(`${REQUESTS}\n${REST}`)).toEqual({ outstanding: 3, homeless: 1, osds: ['osd3'] });
    await osdc(`${REQUESTS}\n${REST}`);
    expect(await asked()).toBe('3 requests wait for osd3, 1 of them have no OSD to go to');
  });

  it('that waits for nothing says nothing', async () => {
    await osdc(`REQUESTS 0 homeless 0\n${REST}`);
    expect(await asked()).toBeUndefined();
  });

  it('is silent where debugfs is not mounted, or says something unknown', async () => {
    expect(await asked()).toBeUndefined();
    await osdc('something else\n');
    expect(await asked()).toBeUndefined();
    expect(await whatClientWaitsFor('/dev/rbd7', kernel.roots.sys)).toBeUndefined();
  });
});
