/** Streams at the gRPC edge: nothing is made that nobody takes, and whoever goes ends it. */
import { once } from 'node:events';
import { status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import type { GetMetadataAllocatedResponse } from '../../../src/csi/gen/csi/v1/GetMetadataAllocatedResponse.js';
import type { SnapshotMetadataService } from '../../../src/csi/grpc-server.js';
import { contract } from '../../../src/csi/proto.js';
import { edge } from './edge.js';

const csi = edge();
const BLOCKS = 1_000;

/** Large messages, without end unless it is given; counted as they are made. */
function source(most = Number.POSITIVE_INFINITY) {
  const made = { messages: 0, ended: Promise.resolve(), end: (): void => undefined };
  made.ended = new Promise((resolve) => (made.end = resolve));
  async function* messages(): AsyncGenerator<GetMetadataAllocatedResponse> {
    try {
      for (; made.messages < most; made.messages += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        const blockMetadata = Array.from({ length: BLOCKS }, (_, n) => ({
          byteOffset: String(2 ** 40 + n),
          sizeBytes: '1',
        }));
        yield { blockMetadataType: 'VARIABLE_LENGTH', volumeCapacityBytes: '1', blockMetadata };
      }
    } finally {
      made.end();
    }
  }
  const service: SnapshotMetadataService = { GetMetadataAllocated: () => messages() };
  return { made, service };
}

const open = (request: object = { snapshotId: 's' }): ClientReadableStream<unknown> =>
  csi.client(contract().v1.SnapshotMetadata).GetMetadataAllocated(request);

async function failure(stream: ClientReadableStream<unknown>): Promise<ServiceError> {
  stream.resume();
  const [error] = (await once(stream, 'error')) as [ServiceError];
  return error;
}

describe('a stream', () => {
  it('brings all messages in order and ends well; its log has one line', async () => {
    const { service } = source(20);
    await csi.serve({ SnapshotMetadata: service });
    let taken = 0;
    for await (const message of open()) taken += message === undefined ? 0 : 1;
    expect(taken).toBe(20);
    await expect.poll(() => csi.ends('GetMetadataAllocated')).toMatchObject([{ code: 'OK', volume: 's' }]);
  });

  it('stands still while its reader does, and goes on when he does', async () => {
    const { made, service } = source();
    await csi.serve({ SnapshotMetadata: service });
    const stream = open();
    stream.on('error', () => undefined);
    await once(stream, 'readable');
    let before = -1;
    // What fits the buffers of both sides is made, and then no more.
    await expect.poll(() => [before, (before = made.messages)], { interval: 200 }).toSatisfy(([a, b]) => a === b);
    expect(before).toBeLessThan(1_000);
    stream.resume();
    await expect.poll(() => made.messages).toBeGreaterThan(before);
    stream.cancel();
    await made.ended;
  });

  it('ends with its reader, also while it waits for him', async () => {
    const { made, service } = source();
    await csi.serve({ SnapshotMetadata: service });
    const stream = open();
    stream.on('error', () => undefined);
    await once(stream, 'readable');
    stream.cancel();
    await made.ended;
    await expect.poll(() => csi.ends('GetMetadataAllocated')).toMatchObject([{ callerGone: true }]);
  });

  it('tells an error of the catalogue after the messages before it, and limits before anything', async () => {
    const handlers: SnapshotMetadataService = {
      async *GetMetadataAllocated() {
        yield await Promise.resolve({ volumeCapacityBytes: '7' });
        throw berthError('BERTH_SNAPSHOT_NOT_FOUND', { snapshot: 's' });
      },
    };
    await csi.serve({ SnapshotMetadata: handlers });
    const stream = open();
    const [first] = (await once(stream, 'data')) as [unknown];
    expect(first).toMatchObject({ volumeCapacityBytes: '7' });
    expect(await failure(stream)).toMatchObject({ code: status.NOT_FOUND, details: /^BERTH_SNAPSHOT_NOT_FOUND/ });
    expect(await failure(open({ snapshotId: 'x'.repeat(129) }))).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('does not hold up a shutdown: its reader is told to come again', async () => {
    const { made, service } = source();
    const server = await csi.serve({ SnapshotMetadata: service });
    const stream = open();
    await once(stream, 'readable');
    const ended = server.drain(60_000);
    await made.ended;
    expect(await failure(stream)).toMatchObject({ code: status.UNAVAILABLE });
    await ended;
  });
});
