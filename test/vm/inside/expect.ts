/** The questions that every file asks: is this the refusal that was wanted, and is the kernel empty again. */
import assert from 'node:assert/strict';
import { status, type ServiceError } from '@grpc/grpc-js';
import { isBerthError, type ErrorCode } from '../../../src/model/errors.js';
import { KERNEL_ROOTS } from '../../../src/rbd/mapping/roots.js';
import { readKrbdDevices } from '../../../src/rbd/mapping/krbd/krbd-sysfs.js';
import { readNbdDevices } from '../../../src/rbd/mapping/nbd/nbd-sysfs.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { session } from './session.js';

/** It has to fail with this code of the catalogue, with words that match. */
export async function refused(attempt: Promise<unknown>, code: ErrorCode, words = /^/): Promise<void> {
  await assert.rejects(attempt, (error: unknown) => {
    if (!isBerthError(error, code)) throw error;
    assert.match(error.message, words);
    return true;
  });
}

/** The driver has to refuse with this status, in words that match. */
export async function refusedByDriver(call: Promise<unknown>, code: status, words = /^/): Promise<void> {
  await assert.rejects(call, (error: ServiceError) => {
    assert.equal(status[error.code], status[code], error.details);
    assert.match(error.details, words);
    return true;
  });
}

/** No device of this cluster is mapped and none is mounted. */
export async function nothingIsLeft(): Promise<void> {
  const krbd = readKrbdDevices(KERNEL_ROOTS.sys).filter(({ location }) => location.fsid === session.fsid);
  assert.deepEqual(krbd, [], 'rbd devices');
  const nbd = await readNbdDevices(KERNEL_ROOTS.sys, KERNEL_ROOTS.proc);
  assert.deepEqual(
    nbd.filter(({ location, fsid }) => (location?.fsid ?? fsid) === session.fsid),
    [],
    'nbd devices',
  );
  const mounts = (await readMounts()).filter(({ source }) => /^\/dev\/(rbd|nbd)\d/.test(source));
  assert.deepEqual(session.guest ? mounts : [], [], 'mounts');
}
