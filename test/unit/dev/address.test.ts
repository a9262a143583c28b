/** A cluster's loopback address: the same for the same directory, away from addresses that others use, and free. */
import net from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidate, freeAddress, MSGR2_PORT } from '../../../src/dev/ceph/address.js';

describe('candidate', () => {
  it('is a host address in 127.64.0.0 to 127.191.255.255 that follows from directory and attempt', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(31), (directory, attempt) => {
        const address = candidate(directory, attempt);
        const [first = 0, second = 0, , last = 0] = address.split('.').map(Number);
        expect(net.isIPv4(address)).toBe(true);
        expect(first).toBe(127);
        expect(second >= 64 && second < 192 && last >= 1 && last <= 254).toBe(true);
        expect(candidate(directory, attempt)).toBe(address);
      }),
    );
  });
});

describe('freeAddress', () => {
  it('takes the next candidate where somebody listens on a port of Ceph', async () => {
    const directory = `/unit/${process.pid}`;
    const server = net.createServer().listen({ host: candidate(directory, 0), port: MSGR2_PORT });
    await once(server, 'listening');
    try {
      expect(await freeAddress(directory)).toBe(candidate(directory, 1));
    } finally {
      server.close();
    }
    await once(server, 'close');
    expect(await freeAddress(directory)).toBe(candidate(directory, 0));
  });
});
