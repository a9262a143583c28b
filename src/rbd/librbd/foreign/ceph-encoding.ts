/**
 * Ceph's own encoding of values, as far as the class methods of
 * rbd speak it (src/include/encoding.h): little endian, counted.
 */

/** Builds one value after the other. */
export class Encoder {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    this.#parts.push(Buffer.from([value]));
    return this;
  }

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    this.#parts.push(part);
    return this;
  }

  u64(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(value);
    this.#parts.push(part);
    return this;
  }

  /** A string or a bufferlist: u32 length and the bytes, UTF-8 for text. */
  bytes(value: string | Uint8Array): this {
    const part = Buffer.from(value);
    this.u32(part.length);
    this.#parts.push(part);
    return this;
  }

  /** A map of strings: u32 count, then key and value in turn. */
  map(entries: ReadonlyMap<string, string>): this {
    this.u32(entries.size);
    for (const [key, value] of entries) this.bytes(key).bytes(value);
    return this;
  }

  /** A structure with its version (ENCODE_START): version, oldest reader, length, members. */
  versioned(members: Encoder, version = 1): this {
    return this.u8(version).u8(1).bytes(members.end());
  }

  end(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads one value after the other; too short an input throws RangeError. */
export class Decoder {
  readonly #from: Buffer;
  #at = 0;

  constructor(from: Buffer) {
    this.#from = from;
  }

  u8(): number {
    return this.#from.readUInt8(this.#skip(1));
  }

  u32(): number {
    return this.#from.readUInt32LE(this.#skip(4));
  }

  u64(): bigint {
    return this.#from.readBigUInt64LE(this.#skip(8));
  }

  bytes(): Buffer {
    const length = this.u32();
    const start = this.#skip(length);
    if (start + length > this.#from.length) throw new RangeError(`${length} bytes announced, fewer came`);
    return this.#from.subarray(start, start + length);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  map(): Map<string, string> {
    const entries = new Map<string, string>();
    for (let left = this.u32(); left > 0; left--) entries.set(this.text(), this.text());
    return entries;
  }

  /** The members of such a structure, of whatever version: what a newer one has more stands at the end. */
  versioned(): Decoder {
    this.u8();
    this.u8();
    return new Decoder(this.bytes());
  }

  #skip(bytes: number): number {
    const start = this.#at;
    this.#at += bytes;
    return start;
  }
}
