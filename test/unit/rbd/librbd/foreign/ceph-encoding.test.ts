/** Ceph's encoding, on bytes that a real OSD was seen to send and take. */
import { describe, expect, it } from 'vitest';
import { Decoder, Encoder } from '../../../../../src/rbd/librbd/foreign/ceph-encoding.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('Encoder', () => {
  it('writes numbers in little endian', () => {
    const bytes = new Encoder().u8(1).u32(0x01020304).u64(0xffff_ffff_ffff_fffen).end();
    expect(bytes).toEqual(hex('01 04030201 feffffffffffffff'));
  });

  it('counts the bytes of a string, not its characters', () => {
    expect(new Encoder().bytes('é').bytes('').end()).toEqual(hex('02000000 c3a9 00000000'));
  });

  it('writes the argument of metadata_set: a count, then keys and values in turn', () => {
    const entries = new Map([
      ['a', '1'],
      ['pv', 'ü'],
    ]);
    expect(new Encoder().map(entries).end()).toEqual(
      hex('02000000 01000000 61 01000000 31 02000000 7076 02000000 c3bc'),
    );
  });
});

describe('Decoder', () => {
  it('reads an rbd_id object: the id as a string', () => {
    expect(new Decoder(hex('0c000000 313032326131653734383566')).text()).toBe('1022a1e7485f');
  });

  it('reads the answer of get_size: order and size', () => {
    const answer = new Decoder(hex('16 0000004000000000'));
    expect([answer.u8(), answer.u64()]).toEqual([22, 1024n ** 3n]);
  });

  it('reads what the encoder wrote', () => {
    const entries = new Map([
      ['', ''],
      ['\u{1F6A2}', 'a\0b'],
    ]);
    expect(new Decoder(new Encoder().map(entries).end()).map()).toEqual(entries);
  });

  it('refuses an answer that ends too soon', () => {
    expect(() => new Decoder(hex('05000000 6162')).text()).toThrow(RangeError);
    expect(() => new Decoder(hex('0100')).u32()).toThrow(RangeError);
    expect(() => new Decoder(hex('ffffffff 01000000 61')).map()).toThrow(RangeError);
  });
});
