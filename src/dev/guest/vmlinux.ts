/**
 * Takes the bare kernel out of an x86 bzImage (Documentation/arch/x86/boot.rst), so that it need not unpack itself
 * under emulation.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

const SETUP_SECTORS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;
/** The unpacked size stands behind the payload. */
const SIZE_BYTES = 4;

const PACKERS: readonly (readonly [magic: string, program: string])[] = [
  ['fd377a585a00', 'xz'],
  ['1f8b', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['02214c18', 'lz4'],
];

/** Write the ELF file within `bzImage` to `target`. */
export async function extractVmlinux(bzImage: string, target: string): Promise<void> {
  const image = await readFile(bzImage);
  // 0 means 4 for images of the last century; Debian's are newer.
  const start = (image.readUInt8(SETUP_SECTORS) + 1) * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET);
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH) - SIZE_BYTES);
  const packer = PACKERS.find(([magic]) => payload.subarray(0, magic.length / 2).toString('hex') === magic)?.[1];
  if (packer === undefined) throw new Error(`${bzImage} is packed in an unknown way`);
  const child = spawn(packer, ['-dc'], { stdio: ['pipe', 'pipe', 'inherit'] });
  // A packer that ends early is reported by its output, which is then no ELF file.
  child.stdin.on('error', () => undefined);
  child.stdin.end(payload);
  await pipeline(child.stdout, createWriteStream(target));
  const magic = (await readFile(target)).subarray(1, 4).toString('latin1');
  if (magic !== 'ELF') throw new Error(`${bzImage}: ${packer} gave no ELF file`);
}
