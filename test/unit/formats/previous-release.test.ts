/**
 * What the release before wrote is read by this one, word for word as it stands in clusters and on nodes. A format may
 * only gain fields that need not be there: these texts are never changed. `in-turn.test.ts` runs the old driver itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parseFence } from '../../../src/attachment/fence-record.js';
import { HOLDER_KEY, readDeleteClaim, readHolderRecord } from '../../../src/attachment/holder-record.js';
import { parseRegistration } from '../../../src/attachment/nodes/node-registration.js';
import { whyNotEntry, type JournalEntry } from '../../../src/journal/entry.js';
import { Journal } from '../../../src/journal/journal.js';
import { DELETED_KEY, parseDeleted } from '../../../src/volume/controller/delete/deleted-record.js';
import { GroupRecords, GROUPS_OBJECT } from '../../../src/volume/controller/group/group-record.js';
import { NameRecords, SNAPSHOT_NAMES_OBJECT } from '../../../src/volume/controller/snapshot/name-record.js';
import { GROWTH_KEY, parseGrowth } from '../../../src/volume/image/growth-record.js';
import { FILESYSTEM_KEY, parseProvenance } from '../../../src/volume/image/provenance.js';
import { parseVolumeRecord, VOLUME_KEY } from '../../../src/volume/image/volume-record.js';
import { memoryCluster, place, soon } from '../volume/controller/memory-cluster.js';

const file = new URL('../../fixtures/release-0.1/formats.json', import.meta.url);
const texts = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>>;
const text = (name: string): string => texts[name]!;
/** Every field that it had. */
const whole = (name: string): object => JSON.parse(text(name)) as object;
const volume = 'c1/rbd/berth-v';
const home = (key: string, name: string) => ({
  ...{ id: '10cafe', fsid: 'f51d0000-0000-4000-8000-000000000000' },
  metadata: new Map([[key, text(name)]]),
});
const cluster = memoryCluster();

it('the records of an image: holder, claim of a delete, volume, filesystem, growth, deleted', () => {
  expect(readHolderRecord(home(HOLDER_KEY, 'holder'), volume)).toMatchObject(whole('holder'));
  expect(readDeleteClaim(home(HOLDER_KEY, 'deleteClaim'), volume)).toMatchObject(whole('deleteClaim'));
  const own = home(VOLUME_KEY, 'volume');
  expect(parseVolumeRecord(own.metadata, volume, own)).toMatchObject(whole('volume'));
  expect(parseProvenance(home(FILESYSTEM_KEY, 'filesystem'), volume)).toMatchObject({ state: 'formatted' });
  expect(parseGrowth(home(GROWTH_KEY, 'growth'), volume)).toMatchObject(whole('growth'));
  expect(parseDeleted(home(DELETED_KEY, 'deleted'), 'berth-deleted-10cafe')).toMatchObject(whole('deleted'));
});

it('the records of a cluster: nodes, fences, names of snapshots and groups', async () => {
  expect(parseRegistration(text('registration'))).toEqual(whole('registration'));
  expect(parseFence('10.0.0.1:0/5', text('fence'))).toEqual(whole('fence'));
  const at = place();
  await cluster.rbd.setRecords(at, SNAPSHOT_NAMES_OBJECT, new Map([['s', text('snapshotName')]]), soon());
  expect(await new NameRecords(cluster.rbd, at).read('s', soon())).toMatchObject(whole('snapshotName'));
  await cluster.rbd.setRecords(at, GROUPS_OBJECT, new Map([['g', text('group')]]), soon());
  expect(await new GroupRecords(cluster.rbd, at).read('g', soon())).toMatchObject(whole('group'));
});

it('the journal of a node, which is written back with every field that it had', async () => {
  const entry = JSON.parse(text('journal')) as JournalEntry;
  expect(whyNotEntry(entry)).toBeUndefined();
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-formats-'));
  try {
    const journal = new Journal(directory);
    await journal.write(entry);
    expect(await journal.read(volume)).toEqual(entry);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
