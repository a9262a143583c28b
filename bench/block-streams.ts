/** What a stream of changed blocks holds in memory, and how long it takes, for images that are far larger than that. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import type { GetMetadataDeltaResponse__Output } from '../src/csi/gen/csi/v1/GetMetadataDeltaResponse.js';
import { contract } from '../src/csi/proto.js';
import type { BenchCluster } from './bench-cluster.js';
import { figure, mib, ms, print } from './figures.js';
import { residentKiB } from './process-size.js';

const NAMESPACE = 'memory';
const OBJECT_BYTES = 4 * 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;
const WRITE_BYTES = 4096;
/** Of the objects of 1 TiB, one in so many is written to. */
const ONE_IN = 100;
const SAMPLE_MS = 10;

export async function blockStreams(site: BenchCluster): Promise<void> {
  print(
    '\nGetMetadataDelta and GetMetadataAllocated: what driver and workers hold more than before (RSS, every 10 ms)',
  );
  const { driver, client, socket } = await site.startDriver('blocks');
  const { v1 } = contract();
  const streams = new v1.SnapshotMetadata(`unix://${socket}`, credentials.createInsecure());
  /** Blocks, time, and the most that was held meanwhile. */
  const take = async (base: string | undefined, target: string) => {
    const held = async (): Promise<number> => {
      const weight = await residentKiB(driver.pid);
      return weight.driver + weight.worker;
    };
    const before = await held();
    let [most, blocks] = [before, 0];
    const sample = setInterval(() => void held().then((kib) => (most = Math.max(most, kib))), SAMPLE_MS);
    const begun = performance.now();
    const stream =
      base === undefined
        ? streams.GetMetadataAllocated({ snapshotId: target })
        : streams.GetMetadataDelta({ baseSnapshotId: base, targetSnapshotId: target });
    for await (const message of stream) blocks += (message as GetMetadataDeltaResponse__Output).blockMetadata.length;
    clearInterval(sample);
    return { blocks, tookMs: performance.now() - begun, heldKiB: most - before };
  };
  try {
    const changed = await cutTwice(site, client, 'changed', TIB);
    // The worker for long work and what V8 compiles are there before.
    await take(undefined, changed.base);
    const delta = await take(changed.base, changed.target);
    figure('1 TiB, 1 % of its objects changed: blocks', String(delta.blocks));
    figure('1 TiB, 1 % of its objects changed: time', ms(delta.tookMs));
    const goal = { text: 'at most 32 MiB', met: delta.heldKiB <= 32 * 1024 };
    figure('1 TiB, 1 % of its objects changed: held in memory', mib(delta.heldKiB), goal);
    const large = await cutTwice(site, client, 'large', 16 * TIB);
    const all = await take(undefined, large.target);
    figure('16 TiB, one object in 100 of the first: time', ms(all.tookMs));
    figure('16 TiB, one object in 100 of the first: held in memory', mib(all.heldKiB), {
      text: 'at most 32 MiB',
      met: all.heldKiB <= 32 * 1024,
    });
  } finally {
    streams.close();
    client.close();
    await driver.stop();
  }
}

/** An image with a snapshot before and one after the writes to its first TiB; their handles. */
async function cutTwice(
  site: BenchCluster,
  client: Awaited<ReturnType<BenchCluster['startDriver']>>['client'],
  name: string,
  sizeBytes: number,
): Promise<{ readonly base: string; readonly target: string }> {
  await client.createVolume({
    name,
    capacityRange: { requiredBytes: GIB },
    volumeCapabilities: [{ block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } }],
    parameters: { clusterID: 'dev', pool: 'hyper', radosNamespace: NAMESPACE },
  });
  const image = `hyper/${NAMESPACE}/berth-${name}`;
  // Berth refuses what the pool could never hold; what is written to is a fraction of it.
  await site.rbd(['resize', '--no-progress', '--size', `${sizeBytes / GIB}G`, image]);
  const { id } = JSON.parse(await site.rbd(['info', image, '--format', 'json'])) as { readonly id: string };
  const cut = async (snapshot: string): Promise<string> => {
    await site.rbd(['snap', 'create', '--no-progress', `${image}@berth-snap-${snapshot}`]);
    const listed = JSON.parse(await site.rbd(['snap', 'ls', image, '--format', 'json'])) as { id: number }[];
    return `dev/hyper/${NAMESPACE}/${id}@${listed.at(-1)?.id ?? 0}`;
  };
  const base = await cut('base');
  await writeOneIn(site, image, sizeBytes);
  return { base, target: await cut('target') };
}

/** By `rbd import-diff`: a header with the size, a record for each write, an end. */
async function writeOneIn(site: BenchCluster, image: string, sizeBytes: number): Promise<void> {
  const u64 = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const records = Array.from({ length: Math.floor(TIB / OBJECT_BYTES / ONE_IN) }, (_, n) =>
    Buffer.concat([Buffer.from('w'), u64(n * ONE_IN * OBJECT_BYTES), u64(WRITE_BYTES), Buffer.alloc(WRITE_BYTES, 1)]),
  );
  const file = join(site.directory, 'writes.bin');
  await writeFile(file, Buffer.concat([Buffer.from('rbd diff v1\ns'), u64(sizeBytes), ...records, Buffer.from('e')]));
  await site.rbd(['import-diff', '--no-progress', file, image]);
  await rm(file);
}
