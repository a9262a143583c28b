/**
 * The guest's machine for each architecture of the host; always emulated, since a /dev/kvm that is there may not work.
 */
import type { Need } from '../packages.js';

export interface Machine {
  readonly qemu: Need;
  /** Beside what all architectures share. */
  readonly arguments: readonly string[];
  readonly console: string;
  readonly kernelParameters: readonly string[];
  /** The metapackage that depends on the kernel of the distribution. */
  readonly kernelPackage: string;
  /** x86's bzImage takes six seconds to unpack itself under emulation: QEMU gets the ELF file inside (PVH). */
  readonly bareKernel: boolean;
}

const X64: Machine = {
  qemu: { what: 'qemu-system-x86_64', comesWith: 'qemu-system-x86' },
  arguments: ['-machine', 'q35'],
  console: 'ttyS0',
  kernelParameters: ['mitigations=off', 'nokaslr', 'tsc=reliable'],
  kernelPackage: 'linux-image-amd64',
  bareKernel: true,
};

/** Written from QEMU's and Debian's documentation, never run. */
const ARM64: Machine = {
  qemu: { what: 'qemu-system-aarch64', comesWith: 'qemu-system-arm' },
  arguments: ['-machine', 'virt'],
  console: 'ttyAMA0',
  kernelParameters: ['mitigations=off', 'nokaslr'],
  kernelPackage: 'linux-image-arm64',
  bareKernel: false,
};

export function machine(): Machine {
  const found = { x64: X64, arm64: ARM64 }[process.arch as string];
  if (found === undefined)
    throw new Error(`no guest is defined for ${process.arch}; use --native on a kernel with rbd`);
  return found;
}

/** Programs that a guest needs on the host, beside those of a development cluster. */
export const guestNeeds = (): readonly Need[] => [machine().qemu, { what: 'xz', comesWith: 'xz-utils' }];
