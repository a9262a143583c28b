/** What Ceph's numbers become, and that an error survives the way from the worker. */
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  CephErrno,
  connectRefusal,
  fromWire,
  losesConnection,
  refusalError,
  toWire,
} from '../../../../src/rbd/librbd/ceph-errors.js';

const { errno } = constants;
const context = { cluster: 'c1', user: 'u1', pool: 'p1', image: 'p1/i1' };
const codeOf = (number: number): string => toWire(new CephErrno(-number, 'create image'), context).code;

describe('an operation that fails', () => {
  it.each([
    [errno.EPERM, 'BERTH_CEPH_DENIED'],
    [errno.EACCES, 'BERTH_CEPH_DENIED'],
    [108, 'BERTH_CLIENT_EVICTED'],
    [errno.ETIMEDOUT, 'BERTH_CLUSTER_UNREACHABLE'],
    [errno.ENOTCONN, 'BERTH_CLUSTER_UNREACHABLE'],
    [errno.ENOSPC, 'BERTH_CEPH_FULL'],
    [errno.EDQUOT, 'BERTH_CEPH_FULL'],
    [errno.EBUSY, 'BERTH_IMAGE_BUSY'],
    [errno.EIO, 'BERTH_CEPH_ERROR'],
    [3999, 'BERTH_CEPH_ERROR'],
  ])('with errno %d is %s', (number, code) => {
    expect(codeOf(number)).toBe(code);
  });

  it('says what failed, where and why', () => {
    const { message } = fromWire(toWire(new CephErrno(-errno.EIO, 'create image'), context));
    expect(message).toMatch(/^BERTH_CEPH_ERROR: create image of p1\/i1 failed: EIO \(/);
  });

  it('gives the connection up only where the connection is at fault', () => {
    const lost = [108, errno.ETIMEDOUT, errno.ENOTCONN, errno.EIO, errno.ENOENT].map((n) =>
      losesConnection(new CephErrno(-n, 'x')),
    );
    expect(lost).toEqual([true, true, true, false, false]);
    expect(losesConnection(refusalError('BERTH_IMAGE_EXISTS', { image: 'a' }))).toBe(false);
  });
});

describe('a connection that fails', () => {
  it.each([
    [errno.EACCES, 'BERTH_CLUSTER_AUTH_FAILED'],
    [errno.EPERM, 'BERTH_CLUSTER_AUTH_FAILED'],
    [errno.EOPNOTSUPP, 'BERTH_CLUSTER_AUTH_FAILED'],
    [errno.ETIMEDOUT, 'BERTH_CLUSTER_UNREACHABLE'],
    [errno.ENOENT, 'BERTH_CLUSTER_UNREACHABLE'],
    [errno.EINVAL, 'BERTH_CLUSTER_UNREACHABLE'],
  ])('with errno %d is %s', (number, code) => {
    const key = 'AQDdAVxnAAAAABAAqKZyfvbOBMsQ2GvTJm0AnA==';
    expect(connectRefusal(new CephErrno(-number, 'connect'), { ...context, key }).wire.code).toBe(code);
  });
});

describe('a key of a type that librados does not know', () => {
  it('is named as such, without a letter of it, and no address is blamed', () => {
    const key = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 7, 7]).toString('base64');
    const { wire } = connectRefusal(new CephErrno(-errno.EINVAL, 'connect'), { ...context, key });
    expect(wire.code).toBe('BERTH_CREDENTIALS_INVALID');
    expect(JSON.stringify(wire)).toContain('type 2 (aes256k)');
    expect(JSON.stringify(wire)).not.toContain(key);
  });

  it('that nobody has is named as well where librados lets it pass and the cluster refuses it', () => {
    const key = Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 7, 7]).toString('base64');
    const { wire } = connectRefusal(new CephErrno(-errno.EACCES, 'connect'), { ...context, key });
    expect(wire.code).toBe('BERTH_CREDENTIALS_INVALID');
    expect(JSON.stringify(wire)).toContain('type 9 (unknown)');
  });
});

describe('the wire', () => {
  it('carries an error of the catalogue with its parameters', () => {
    const error = fromWire(toWire(refusalError('BERTH_IMAGE_EXISTS', { image: 'p/ü' }), context));
    expect(error).toMatchObject({ code: 'BERTH_IMAGE_EXISTS', status: 'ALREADY_EXISTS' });
    expect(error.message).toContain('image p/ü exists');
  });

  it('makes anything else an internal error', () => {
    expect(fromWire(toWire(new TypeError('oops'), context)).message).toContain('librbd worker: oops');
    expect(fromWire({ code: 'NO_SUCH' as 'BERTH_INTERNAL', params: {} }).code).toBe('BERTH_INTERNAL');
  });
});
