/** Advisory locks as class lock answers them, also in versions to come. */
import { describe, expect, it } from 'vitest';
import { Encoder } from '../../../../../src/rbd/librbd/foreign/ceph-encoding.js';
import { locksIn } from '../../../../../src/rbd/librbd/foreign/class-lock.js';

const u16be = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const v4 = (port: number): Buffer => Buffer.concat([Buffer.from([2, 0]), u16be(port), Buffer.from([10, 0, 0, 7])]);
const v6 = (...groups: number[]): Buffer =>
  Buffer.concat([Buffer.from([10, 0]), u16be(77), Buffer.alloc(4), ...groups.map(u16be)]);

const raw = (encoder: Encoder, bytes: Buffer): Encoder => [...bytes].reduce((one, byte) => one.u8(byte), encoder);
const info = (socket: Buffer, marker = 1): Encoder =>
  new Encoder().u64(0n).u8(marker).versioned(new Encoder().u32(1).u32(4711).bytes(socket)).bytes('description');

/** An answer with these locks; `more` stands where a newer Ceph would add members. */
function answer(tag: string, locks: readonly (readonly [id: string, info: Encoder])[], more = Buffer.alloc(0)): Buffer {
  const reply = new Encoder().u32(locks.length);
  for (const [id, one] of locks) {
    reply.versioned(raw(new Encoder().u8(8).u64(4123n).bytes(id), more));
    reply.versioned(raw(one, more));
  }
  return new Encoder().versioned(raw(reply.u8(1).bytes(tag), more), 9).end();
}

describe('the locks of an image', () => {
  it('are named by id, owner and address, also by a Ceph that says more', () => {
    const expected = [{ id: 'mine', locker: 'client.4123', address: '10.0.0.7:0/4711' }];
    expect(locksIn(answer('', [['mine', info(v4(0))]]))).toEqual(expected);
    expect(locksIn(answer('', [['mine', info(v4(0))]], Buffer.from('more')))).toEqual(expected);
    expect(locksIn(answer('', []))).toEqual([]);
  });

  it.each([
    [[0xfd00, 0, 0, 0, 0, 0, 0, 1], '[fd00::1]:77/4711'],
    [[0, 0, 0, 0, 0, 0, 0, 1], '[::1]:77/4711'],
    [[0xfd00, 0, 0, 1, 0, 0, 0, 0], '[fd00:0:0:1::]:77/4711'],
    [[1, 2, 3, 4, 5, 6, 7, 8], '[1:2:3:4:5:6:7:8]:77/4711'],
  ])('have IPv6 addresses as Ceph writes them: %j', (groups, address) => {
    expect(locksIn(answer('', [['a', info(v6(...groups))]]))).toEqual([{ id: 'a', locker: 'client.4123', address }]);
  });

  it('are shown without an address where that is written in a way of before', () => {
    expect(locksIn(answer('', [['a', info(v4(0), 0)]]))[0]?.address).toBe('an unknown address');
    expect(locksIn(answer('', [['a', info(Buffer.alloc(0))]]))[0]?.address).toBe('an unknown address');
  });

  it('are not those that librbd and the kernel take, by name and tag both', () => {
    const auto = [['auto 139842', info(v4(0))]] as const;
    expect(locksIn(answer('internal', auto))).toEqual([]);
    expect(locksIn(answer('', auto))).toHaveLength(1);
    expect(locksIn(answer('internal', [['by hand', info(v4(0))]]))).toHaveLength(1);
  });
});
