import { expect, it } from 'vitest';
import { askFamily, disconnect, readReplies, setSize } from '../../../../../src/rbd/mapping/nbd/netlink-message.js';

it('asks for a family by its name', () => {
  expect(askFamily('nbd').toString('hex')).toBe(
    // length 28, controller, request+ack, sequence, port; command 3 version 1; attribute 2 of 8 bytes "nbd\0"
    `1c00000010000500000000000000000003010000080002006e626400`,
  );
});

it('sets a size with the device and its cookie, padded to four bytes', () => {
  expect(setSize(0x22, 3, 0x6000000n, 'abcd').toString('hex')).toBe(
    `340000002200050000000000000000000301000008000100030000000c000200000000060000000009000a006162636400000000`,
  );
  expect(setSize(0x22, 3, 1n, '').length).toBe(40);
});

it('disconnects a device by its number', () => {
  expect(disconnect(0x22, 3).toString('hex')).toBe(`1c0000002200050000000000000000000201000008000100` + `03000000`);
});

it("finds the family's number in the controller's answer, and the result in an acknowledgement", () => {
  const family = Buffer.from(
    '240000001000000000000000000000000102000008000200' + '6e626400' + '0600010022000000',
    'hex',
  );
  const refused = Buffer.from('24000000020000000000000000000000' + 'eaffffff' + '00'.repeat(16), 'hex');
  expect(readReplies(Buffer.concat([family, refused]))).toEqual([
    { result: undefined, family: 0x22 },
    { result: -22, family: undefined },
  ]);
});

it('does not run for ever over a message that says it is empty', () => {
  expect(readReplies(Buffer.alloc(64))).toEqual([]);
});
