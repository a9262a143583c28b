/** The direct virtio-blk disk, served in each way that Kata's configuration and QEMU offer: what pays, and what not. */
import type { Tuning } from '../../src/dev/guest/guest-disk.js';
import type { Measure } from './loads.js';

/** Objects of QEMU's command line. */
const IOTHREAD = 'io0';
export const TUNE_WORDS: readonly string[] = ['-object', `iothread,id=${IOTHREAD}`];

/** The first is what QEMU does by itself, with which the others are compared. */
export const VARIANTS = {
  'as it comes': {},
  'aio=io_uring': { aio: 'io_uring' },
  iothread: { iothread: IOTHREAD },
  'one queue': { queues: 1 },
  'no page cache': { direct: true },
  'no page cache, aio=native': { direct: true, aio: 'native' },
  'no page cache, aio=native, iothread': { direct: true, aio: 'native', iothread: IOTHREAD },
  'sectors of 4096': { sectorBytes: 4_096 },
  'discard=unmap': { discard: true },
} as const satisfies Readonly<Record<string, Tuning>>;
export type Variant = keyof typeof VARIANTS;
export const VARIANT_NAMES = Object.keys(VARIANTS) as readonly Variant[];

export const TUNE_MEASURES: readonly Measure[] = [
  'read 1M, MB/s',
  'randread 4k, /s',
  'randwrite 4k with fsync, /s',
  'slap insert, 50 clients, commits/s',
  'short insert, 50 clients, commits/s',
  'short insert, 1 client, commits/s',
];
/** So that one queue and one a processor differ. */
export const TUNE_CORES = 2;
