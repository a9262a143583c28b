/** What the kernel counts of a block device's I/O, from sysfs and without a touch of the device. */
import path from 'node:path';
import { readAttribute } from './kernel-attribute.js';

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

/** Undefined where there is no such device. @param device `/dev/rbd0` */
export function readIoCounters(device: string, sysRoot = '/sys'): IoCounters | undefined {
  const text = readAttribute(path.join(sysRoot, 'class/block', path.basename(device), 'stat'));
  if (text === undefined) return undefined;
  // Documentation/block/stat.rst
  const columns = text.trim().split(/\s+/).map(Number);
  const at = (column: number): number => columns[column] ?? 0;
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
