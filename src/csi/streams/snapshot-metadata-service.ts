/** The SnapshotMetadata service: which blocks a snapshot has, and which changed since an earlier one, as streams. */
import { berthError } from '../../model/errors.js';
import type { ByteRange } from '../../volume/controller/blocks/byte-range.js';
import { readBlocks, type BlocksAsked, type ReadBlocksParts } from '../../volume/controller/blocks/read-blocks.js';
import type { GetMetadataDeltaResponse } from '../gen/csi/v1/GetMetadataDeltaResponse.js';
import type { SnapshotMetadataService } from '../grpc-server.js';
import { readSecrets, require } from '../read-request.js';
import type { RpcContext } from '../rpc.js';

/** Blocks in one message, some 20 bytes each: a client takes 4 MiB unless it was told otherwise. */
const MOST = 4_096;

export const snapshotMetadataService = (parts: ReadBlocksParts): Required<SnapshotMetadataService> => ({
  GetMetadataAllocated({ snapshotId: target, startingOffset, maxResults, secrets }, context) {
    require({ snapshot_id: target });
    const asked = { base: undefined, target, startingOffset: BigInt(startingOffset), secrets: readSecrets(secrets) };
    return messages(parts, asked, mostOf(maxResults), context);
  },

  GetMetadataDelta({ baseSnapshotId: base, targetSnapshotId: target, startingOffset, maxResults, secrets }, context) {
    require({ base_snapshot_id: base, target_snapshot_id: target });
    const asked = { base, target, startingOffset: BigInt(startingOffset), secrets: readSecrets(secrets) };
    return messages(parts, asked, mostOf(maxResults), context);
  },
});

/** Zero leaves it to us. */
function mostOf(maxResults: number): number {
  if (maxResults < 0) throw berthError('BERTH_FIELD_INVALID', { field: 'max_results', why: 'it is negative' });
  return maxResults === 0 ? MOST : Math.min(maxResults, MOST);
}

/** At least one message, which tells the size of the volume also where it has no blocks. */
async function* messages(
  parts: ReadBlocksParts,
  asked: BlocksAsked,
  most: number,
  { deadline }: RpcContext,
): AsyncGenerator<GetMetadataDeltaResponse> {
  const { capacityBytes, parts: found } = await readBlocks(parts, asked, deadline);
  let told = false;
  for await (const ranges of found) {
    for (let n = 0; n < ranges.length; n += most) yield message(capacityBytes, ranges.slice(n, n + most));
    told ||= ranges.length > 0;
  }
  if (!told) yield message(capacityBytes, []);
}

const message = (capacityBytes: bigint, ranges: readonly ByteRange[]): GetMetadataDeltaResponse => ({
  blockMetadataType: 'VARIABLE_LENGTH',
  volumeCapacityBytes: String(capacityBytes),
  blockMetadata: ranges.map(({ from, to }) => ({ byteOffset: String(from), sizeBytes: String(to - from) })),
});
