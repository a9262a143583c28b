/** The rim of the foreign world, tried on libc: no Ceph is needed for it. */
import { describe, expect, it } from 'vitest';
import { bind, bindOptional, openLibrary } from '../../../../../src/rbd/librbd/foreign/c-functions.js';
import { bytesAt, Cells, textAt, withBytes, withCells } from '../../../../../src/rbd/librbd/foreign/c-memory.js';

const libc = () => openLibrary('libc.so.6');

describe('a library', () => {
  it('that is not installed is an error with its name', () => {
    expect(() => openLibrary('libberth-nowhere.so.9')).toThrow(
      expect.objectContaining({
        wire: {
          code: 'BERTH_LIBRARY_MISSING',
          params: { library: 'libberth-nowhere.so.9', why: expect.any(String) as string },
        },
      }),
    );
  });

  it('may lack an optional function', () => {
    expect(bindOptional(libc(), 'int berth_no_such_function(int)')).toBeUndefined();
    expect(bindOptional<[number], number>(libc(), 'int abs(int)')?.now(-3)).toBe(3);
  });

  it('is called on another thread, and the loop goes on meanwhile', async () => {
    const usleep = bind<[number], number>(libc(), 'int usleep(unsigned int)');
    const ended: string[] = [];
    const call = usleep.later(500_000).then((result) => {
      ended.push('call');
      return result;
    });
    setImmediate(() => ended.push('turn of the loop'));
    expect(await call).toBe(0);
    expect(ended).toEqual(['turn of the loop', 'call']);
  });
});

describe('C memory', () => {
  it('starts as zeros and keeps what is put in', () => {
    const cells = new Cells(3);
    expect([cells.u64(0), cells.i64(1), cells.text(2)]).toEqual([0n, 0n, '']);
    cells.setU64(0, 2n ** 64n - 2n);
    expect([cells.u64(0), cells.i64(0), cells.i32(0), cells.u8(0)]).toEqual([2n ** 64n - 2n, -2n, -2, 254]);
    cells.free();
  });

  it('cannot be addressed outside of its cells', async () => {
    await withCells(2, (cells) => {
      expect(() => cells.at(2)).toThrow(RangeError);
      expect(() => cells.at(-1)).toThrow(RangeError);
      return Promise.resolve();
    });
  });

  it('lends C an array of strings with their lengths, NULs within them included', async () => {
    const list = ['', 'ü', 'a\0b'].map((text) => Buffer.from(text));
    await withBytes(list, ({ pointers, lengths, count }) => {
      const u64 = (address: bigint) => bytesAt(address, 8).readBigUInt64LE();
      const back = list.map((_, n) => {
        const offset = BigInt(8 * n);
        return bytesAt(u64(pointers + offset), Number(u64(lengths + offset))).toString('utf8');
      });
      expect([count, back]).toEqual([3, ['', 'ü', 'a\0b']]);
      expect(textAt(u64(pointers + 8n))).toBe('ü');
    });
  });
});
