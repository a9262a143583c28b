/** How many requests an attach and a detach cost the Kubernetes API: none whose answer nobody reads. */
import { beforeEach, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../src/attachment/holder-record.js';
import { Installation } from '../../../src/attachment/node-identity.js';
import { nodeStates } from '../../../src/kube/node-states.js';
import { NAMESPACES } from '../../../src/kube/objects.js';
import { attachVolume } from '../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../src/volume/controller/create/create-volume.js';
import { detachVolume } from '../../../src/volume/controller/detach/detach-volume.js';
import { apiFixture, NODES, soon } from '../../kube/api-fixture.js';
import { creation, memoryCluster, place, raw } from '../volume/controller/memory-cluster.js';
import { createParts, detachParts, log } from '../volume/controller/use-case-parts.js';

const at = apiFixture();
const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(async () => {
  const ask = async (): Promise<string> => (await at.api.get(NAMESPACES, 'kube-system', soon()))?.metadata.uid ?? '';
  const installation = new Installation(undefined, ask);
  parts = { ...detachParts({ ...cluster, installation }), nodeStates: nodeStates(at.api, log) };
  const about = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
  await parts.nodes.register(place(), { ...about, node: 'n1', installation: await installation.known(soon()) }, soon());
  await createVolume(createParts(cluster), creation('v'), soon());
  at.server.put(NODES, { metadata: { name: 'n1' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } });
  at.server.asked.length = 0;
});

const VOLUME = 'c1/rbd/berth-v';
const about = { volume: VOLUME, node: 'n1', secrets: undefined };
const attach = () => attachVolume(parts, { ...about, capability: raw, readOnly: false }, soon());
const detach = () => detachVolume(parts, about, soon());
/** As the node writes it into the record. */
function become(state: 'released' | 'staged'): void {
  const { metadata } = cluster.image('berth-v')!;
  const record = JSON.parse(metadata.get(HOLDER_KEY)!) as { holders: object[] };
  const holders = record.holders.map((one) => ({ ...one, state, at: new Date().toISOString(), bootId: 'b' }));
  metadata.set(HOLDER_KEY, JSON.stringify({ ...record, holders }));
}
const asked = (): readonly string[] => at.server.asked.splice(0).map(({ method, url }) => `${method} ${url}`);

it('of 20 attaches, repeated, and their detaches by nodes that released: none', async () => {
  for (let n = 0; n < 20; n += 1) {
    await attach();
    await attach();
    become('released');
    await detach();
  }
  expect(asked()).toEqual([]);
});

it('of a detach by a node that never set out to stage: none', async () => {
  await attach();
  await detach();
  expect(asked()).toEqual([]);
});

it('of a detach that is refused because its node lives: one, for that node', async () => {
  await attach();
  become('staged');
  await expect(detach()).rejects.toMatchObject({ code: 'BERTH_DETACH_UNPROVEN' });
  expect(asked()).toEqual(['GET /api/v1/nodes/n1']);
});

it('of a detach whose image somebody has open whom no record names: one, for its node', async () => {
  await attach();
  cluster.image('berth-v')!.watchers.push({ address: '10.0.0.1:0/5', client: 5n });
  await expect(detach()).rejects.toMatchObject({ code: 'BERTH_DETACH_UNPROVEN' });
  expect(asked()).toEqual(['GET /api/v1/nodes/n1']);
});
