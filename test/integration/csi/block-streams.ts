/** Streams of blocks as a backup tool uses them, and images that are written and discarded in a moment. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { GetMetadataAllocatedRequest } from '../../../src/csi/gen/csi/v1/GetMetadataAllocatedRequest.js';
import type { GetMetadataAllocatedResponse__Output } from '../../../src/csi/gen/csi/v1/GetMetadataAllocatedResponse.js';
import type { GetMetadataDeltaRequest } from '../../../src/csi/gen/csi/v1/GetMetadataDeltaRequest.js';
import type { Driver } from './driver.js';
import type { Site } from './site.js';

export interface Block {
  readonly offset: number;
  readonly bytes: number;
}

export interface Told {
  readonly capacity: number;
  readonly blocks: readonly Block[];
  readonly messages: number;
}

/** What a stream is asked, of both kinds. */
export type Asked = GetMetadataAllocatedRequest | GetMetadataDeltaRequest;
export type Stream = ClientReadableStream<GetMetadataAllocatedResponse__Output>;

const PATIENCE_MS = 60_000;

/** Begin one; with a base it is a delta. */
export function begin(driver: Driver, asked: Asked): Stream {
  const { snapshotMetadata: calls } = driver.calls;
  const options = { deadline: Date.now() + PATIENCE_MS };
  return 'targetSnapshotId' in asked || 'baseSnapshotId' in asked
    ? calls.GetMetadataDelta(asked, options)
    : calls.GetMetadataAllocated(asked, options);
}

/** All of it, or the first `most` messages, after which it is given up. */
export async function take(driver: Driver, asked: Asked, most = Number.POSITIVE_INFINITY): Promise<Told> {
  const stream = begin(driver, asked);
  const blocks: Block[] = [];
  let [capacity, messages] = [-1, 0];
  try {
    for await (const message of stream) {
      const { volumeCapacityBytes, blockMetadata } = message as GetMetadataAllocatedResponse__Output;
      capacity = Number(volumeCapacityBytes);
      blocks.push(...blockMetadata.map((one) => ({ offset: Number(one.byteOffset), bytes: Number(one.sizeBytes) })));
      messages += 1;
      // To leave the loop alone would leave the call open (grpc-js 1.14).
      if (messages === most) stream.cancel();
    }
  } catch (error) {
    if ((error as ServiceError).code !== status.CANCELLED) throw error;
  }
  return { capacity, blocks, messages };
}

/** What happens to an image: bytes of one kind are written there, or discarded. */
export type Change =
  | { readonly fill: number; readonly at: number; readonly bytes: number }
  | { readonly discard: true; readonly at: number; readonly bytes: number };

const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** Make changes to an image of this size, by `rbd import-diff`: a client that holds nothing afterwards. */
export async function change(site: Site, image: string, size: number, changes: readonly Change[]): Promise<void> {
  const records = changes.map((one) =>
    'fill' in one
      ? Buffer.concat([Buffer.from('w'), u64(one.at), u64(one.bytes), Buffer.alloc(one.bytes, one.fill)])
      : Buffer.concat([Buffer.from('z'), u64(one.at), u64(one.bytes)]),
  );
  const file = path.join(site.directory, `${site.unique('diff')}.bin`);
  await writeFile(file, Buffer.concat([Buffer.from('rbd diff v1\ns'), u64(size), ...records, Buffer.from('e')]));
  await site.rbd('import-diff', '--no-progress', file, image);
  await rm(file);
}

/** All bytes of an image at a snapshot. */
export async function contents(site: Site, image: string, snapshotId: string): Promise<Buffer> {
  const file = path.join(site.directory, site.unique('export'));
  const id = snapshotId.slice(snapshotId.lastIndexOf('@') + 1);
  const found = JSON.parse(await site.rbd('snap', 'ls', image, '--format', 'json')) as { id: number; name: string }[];
  const { name } = found.find((one) => String(one.id) === id)!;
  await site.rbd('export', '--no-progress', `${image}@${name}`, file);
  const bytes = await readFile(file);
  await rm(file);
  return bytes;
}

/** What a restore makes of a copy of the older snapshot: the size of the newer one, and its blocks. */
export function replayed(older: Buffer, newer: Buffer, { capacity, blocks }: Told): Buffer {
  const copy = Buffer.alloc(capacity);
  older.copy(copy);
  for (const { offset, bytes } of blocks) newer.copy(copy, offset, offset, offset + bytes);
  return copy;
}
