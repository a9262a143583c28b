/** What the kernel counts of a block device's I/O. */
export interface IoCounters {
  readonly reads: number;
  readonly readBytes: number;
  /** s that all of them took together. */
  readonly readSeconds: number;
  readonly writes: number;
  readonly writeBytes: number;
  readonly writeSeconds: number;
  /** Older kernels (before 4.18 and 5.5) count neither. */
  readonly discards: number;
  readonly flushes: number;
  readonly flushSeconds: number;
}

/** The kernel counts in these, whatever the device's own sectors have. */
const SECTOR_BYTES = 512;
const MS = 1000;

/** @param columns of /sys/class/block/X/stat (Documentation/block/stat.rst) */
export function ioCountersIn(columns: readonly string[]): IoCounters {
  const at = (column: number): number => Number(columns[column] ?? 0);
  return {
    reads: at(0),
    readBytes: at(2) * SECTOR_BYTES,
    readSeconds: at(3) / MS,
    writes: at(4),
    writeBytes: at(6) * SECTOR_BYTES,
    writeSeconds: at(7) / MS,
    discards: at(11),
    flushes: at(15),
    flushSeconds: at(16) / MS,
  };
}
