import { describe, expect, it } from 'vitest';
import { explainQemu, saysAbsent, saysReadOnly } from '../../../../src/dev/mapper/qemu-messages.js';
import { isBerthError } from '../../../../src/model/errors.js';
import { mapRequest } from '../../rbd/mapping/kernel-fixture.js';

describe('what QEMU says', () => {
  // Printed by qemu-storage-daemon 7.2 on this project's development cluster.
  it.each([
    ['error connecting: Permission denied', 'BERTH_CLUSTER_AUTH_FAILED'],
    ['error connecting: Invalid argument', 'BERTH_CLUSTER_AUTH_FAILED'],
    ['Base64 data contains invalid characters', 'BERTH_CLUSTER_AUTH_FAILED'],
    ['error connecting: Connection timed out', 'BERTH_CLUSTER_UNREACHABLE'],
    ['error connecting: Cannot send after transport endpoint shutdown', 'BERTH_CLIENT_EVICTED'],
    ['error opening pool nope: No such file or directory', 'BERTH_POOL_NOT_FOUND'],
    ["namespace 'nope' does not exist", 'BERTH_NAMESPACE_NOT_FOUND'],
    ['error reading header from nope: No such file or directory', 'BERTH_IMAGE_NOT_FOUND'],
    ['error reading header from i: Operation not permitted', 'BERTH_CEPH_DENIED'],
    ['error reading header from i: Connection timed out', 'BERTH_CLUSTER_UNREACHABLE'],
    ["Unknown driver 'rbd'", 'BERTH_MAPPER_UNAVAILABLE'],
    ['something new', 'BERTH_MAP_FAILED'],
  ])('%j is %s', (text, code) => {
    expect(
      isBerthError(explainQemu(text, mapRequest(), undefined)) && explainQemu(text, mapRequest(), undefined).code,
    ).toBe(code);
  });

  it('tells what is absent and what is read-only', () => {
    const absent = ["Export 'x' is not found", "Failed to find node with node-name='x'", "object 'x' not found"];
    expect(absent.map(saysAbsent)).toEqual([true, true, true]);
    expect(saysAbsent('Node x is in use')).toBe(false);
    expect(saysReadOnly('Image is read-only')).toBe(true);
  });
});
