/**
 * C memory for whatever C writes to: Ceph keeps some out-parameters beyond the call, and the garbage collector must not
 * move in there.
 */
import koffi from 'koffi';
import type { Address } from './c-functions.js';

const CELL = 8;

/**
 * Cells of 8 bytes in C memory, zeroed: one is a number or a pointer, several in a row are a C struct of such members.
 */
export class Cells {
  readonly #start: Address;
  readonly length: number;

  constructor(length: number) {
    this.length = length;
    this.#start = koffi.alloc('uint64_t', length) as Address;
    for (let cell = 0; cell < length; cell++) koffi.encode(this.at(cell), 'uint64_t', 0n);
  }

  /** The address of a cell, for C. */
  at(cell: number): Address {
    if (cell < 0 || cell >= this.length) throw new RangeError(`cell ${cell} of ${this.length}`);
    return this.#start + BigInt(cell * CELL);
  }

  u64(cell: number): bigint {
    return BigInt(koffi.decode.uint64(this.at(cell)));
  }

  i64(cell: number): bigint {
    return BigInt(koffi.decode.int64(this.at(cell)));
  }

  i32(cell: number): number {
    return koffi.decode.int32(this.at(cell));
  }

  u8(cell: number): number {
    return koffi.decode.uint8(this.at(cell));
  }

  setU64(cell: number, value: bigint): void {
    koffi.encode(this.at(cell), 'uint64_t', value);
  }

  setI32(cell: number, value: number): void {
    koffi.encode(this.at(cell), 'int32_t', value);
  }

  /** The C string that a `char *` in this cell points to; empty for NULL. */
  text(cell: number): string {
    return textAt(this.u64(cell));
  }

  /** The C string whose characters lie in the cells from this one on. */
  chars(cell: number): string {
    return textAt(this.at(cell));
  }

  free(): void {
    koffi.free(this.#start);
  }
}

/**
 * Lend `length` cells to `work`; they are freed when it has ended,
 * and with it every C call that was given their address.
 */
export async function withCells<T>(length: number, work: (cells: Cells) => Promise<T>): Promise<T> {
  const cells = new Cells(length);
  try {
    return await work(cells);
  } finally {
    cells.free();
  }
}

/** A NUL-terminated UTF-8 string, copied. */
export function textAt(address: Address): string {
  return address === 0n ? '' : (koffi.decode(address, 'char', -1) as string);
}

/** `length` bytes, copied. */
export function bytesAt(address: Address, length: number): Buffer {
  if (address === 0n || length === 0) return Buffer.alloc(0);
  // What koffi decodes is a copy already.
  const { buffer, byteOffset } = koffi.decode(address, 'uint8_t', length) as Uint8Array;
  return Buffer.from(buffer, byteOffset, length);
}

/** C arrays of pointers and of lengths over a list of byte strings. */
export interface Lent {
  readonly pointers: Address;
  readonly lengths: Address;
  readonly count: number;
}

/** Copy byte strings into C memory for the time of `work`, each followed by a NUL that its length does not count. */
export async function withBytes<T>(list: readonly Buffer[], work: (lent: Lent) => T | Promise<T>): Promise<T> {
  const count = list.length;
  const whole = Buffer.concat(list.flatMap((bytes) => [bytes, NUL]));
  const text = koffi.alloc('uint8_t', Math.max(1, whole.length)) as Address;
  const cells = new Cells(2 * count + 1);
  try {
    koffi.encode(text, 'uint8_t', whole, whole.length);
    let at = text;
    for (const [n, bytes] of list.entries()) {
      cells.setU64(n, at);
      cells.setU64(count + n, BigInt(bytes.length));
      at += BigInt(bytes.length + 1);
    }
    return await work({ pointers: cells.at(0), lengths: cells.at(count), count });
  } finally {
    cells.free();
    koffi.free(text);
  }
}

const NUL = Buffer.from([0]);
