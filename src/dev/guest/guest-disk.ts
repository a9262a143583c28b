/** A disk that a running guest is given, and how QEMU is told to serve it. */

export interface Disk {
  readonly device: string;
  readonly readOnly: boolean;
  /** As Kata's `block_device_driver` says. */
  readonly as: 'virtio-blk' | 'virtio-scsi';
  readonly tuning?: Tuning;
}

/** How QEMU serves a disk, where it is not left to QEMU; what Kata's configuration offers, and some of QEMU's own. */
export interface Tuning {
  /** `block_device_aio`. */
  readonly aio?: 'threads' | 'native' | 'io_uring';
  /** `block_device_cache_direct`: past the host's page cache. */
  readonly direct?: boolean;
  /** Id of an object of QEMU's command line: `enable_iothreads`. Of virtio-blk alone. */
  readonly iothread?: string;
  /** Of virtio-blk; QEMU's own number is that of the processors. */
  readonly queues?: number;
  /** What the guest takes for a sector, bytes. */
  readonly sectorBytes?: number;
  /** What the guest discards is given back. */
  readonly discard?: boolean;
}

type Words = Readonly<Record<string, unknown>>;

/** Words of `blockdev-add`: for the device, and for the raw format above it. */
export function blockNodeOf({ aio, direct, discard }: Tuning): { readonly file: Words; readonly raw: Words } {
  const shared = {
    ...(direct === undefined ? {} : { cache: { direct } }),
    ...(discard === undefined ? {} : { discard: discard ? 'unmap' : 'ignore' }),
  };
  return { file: { ...shared, ...(aio === undefined ? {} : { aio }) }, raw: shared };
}

/** Words of `device_add`. */
export const frontOf = ({ iothread, queues, sectorBytes }: Tuning): Words => ({
  ...(iothread === undefined ? {} : { iothread }),
  ...(queues === undefined ? {} : { 'num-queues': queues }),
  ...(sectorBytes === undefined ? {} : { logical_block_size: sectorBytes, physical_block_size: sectorBytes }),
});
