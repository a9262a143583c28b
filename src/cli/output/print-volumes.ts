/** The table of `berth volumes`: within 100 columns, or with everything in full. */
import type { VolumeRow } from '../../diagnosis/volumes/volume-rows.js';
import type { VolumesSeen } from '../../diagnosis/volumes/list-volumes-seen.js';
import { sizeText } from '../../diagnosis/volumes/size-text.js';
import { columns, TABLE_WIDTH } from './columns.js';

const NARROW = ['claim', 'pv', 'size', 'node', 'device', 'sandbox', 'state'] as const;
const WIDE = ['claim', 'pv', 'volume', 'size', 'node', 'device', 'sandbox', 'state', 'says'] as const;

/** Where nothing is known. */
const NONE = '-';

export function printVolumes({ volumes, leftOut }: VolumesSeen, isWide: boolean): string {
  const rows = volumes.map(cellsOf);
  const table = isWide ? columns(WIDE, rows, undefined) : columns(NARROW, rows, TABLE_WIDTH);
  const left = leftOut.map((why) => `not looked at: ${why}\n`).join('');
  return `${volumes.length === 0 ? 'no volumes\n' : table}${left}`;
}

function cellsOf({ claim, pv, volume, sizeBytes, nodes, device, sandbox, state, says }: VolumeRow) {
  return {
    claim: claim ?? NONE,
    // An image without one is still called something.
    pv: pv ?? (volume.split('/').at(-1) || NONE),
    volume,
    size: sizeBytes === undefined ? NONE : sizeText(sizeBytes),
    node: nodes.join(',') || NONE,
    device: device ?? NONE,
    sandbox: sandbox ?? NONE,
    state,
    says: says || NONE,
  };
}
