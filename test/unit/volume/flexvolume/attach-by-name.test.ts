/** A detach that is told a name alone: asked of every cluster, and no sick one keeps the others' volumes attached. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import type { Capability } from '../../../../src/model/capability.js';
import { berthError } from '../../../../src/model/errors.js';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { detachVolume } from '../../../../src/volume/controller/detach/detach-volume.js';
import { attachByName, detachByName, type NamedAttachments } from '../../../../src/volume/flexvolume/attach-by-name.js';
import { memoryCluster, creation, soon } from '../controller/memory-cluster.js';
import { createParts, detachParts } from '../controller/use-case-parts.js';

const cluster = memoryCluster();
let parts: ReturnType<typeof detachParts>;
beforeEach(() => {
  parts = detachParts(cluster);
});
const named = (): NamedAttachments => ({
  rbd: cluster.rbd,
  clusters: cluster.clusters,
  installation: parts.installation,
  attach: (asked, deadline) => attachVolume(parts, { ...asked, readOnly: false, secrets: undefined }, deadline),
  detach: (asked, deadline) => detachVolume(parts, { ...asked, secrets: undefined }, deadline),
});
const capability: Capability = { access: { kind: 'block' }, mode: 'SINGLE_NODE_WRITER' };
const unreachable = () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'silence' });
const detach = () => detachByName(named(), { name: 'pv', node: 'n1' }, soon());
const isAttached = (): boolean => cluster.image('berth-v')!.metadata.has(HOLDER_KEY);

beforeEach(async () => {
  const user = `{ id: berth, keyFile: ${path.dirname(cluster.clustersFile)}/key }`;
  const entry = (id: string, pool: string, users: string): string =>
    `  - { id: ${id}, monitors: ['127.0.0.1:3300'], pools: [{ name: ${pool} }], users: ${users} }\n`;
  const both = entry('c0', 'fast', `{ controller: ${user} }`) + entry('c1', 'rbd', `{ controller: ${user} }`);
  await writeFile(cluster.clustersFile, `clusters:\n${both}${entry('c2', 'fast', `{ node: ${user} }`)}`);
  const { volume } = await createVolume(createParts(cluster), creation('v'), soon());
  await parts.nodes.register(
    cluster.at('', 'rbd'),
    { version: 1, node: 'n1', bootId: 'b', driver: '0', mappers: ['krbd'], seen: 'x' },
    soon(),
  );
  await attachByName(named(), { volume, name: 'pv', node: 'n1', capability }, soon());
  expect(isAttached()).toBe(true);
});

it('is done where the name is known, although another cluster is silent', async () => {
  cluster.rbd.failNext('getRecords', unreachable);
  await detach();
  expect(isAttached()).toBe(false);
});

it('of a name that is known nowhere is a success, unless a cluster could not be asked', async () => {
  await detachByName(named(), { name: 'other', node: 'n1' }, soon());
  cluster.rbd.failNext('getRecords', unreachable);
  await expect(detachByName(named(), { name: 'other', node: 'n1' }, soon())).rejects.toMatchObject({
    code: 'BERTH_CLUSTER_UNREACHABLE',
  });
  expect(isAttached()).toBe(true);
});
