import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/model/secret.js';
import { explainRbd, lastWords, rbdSaysBusy, saysNotMapped } from '../../../../src/rbd/mapping/rbd-messages.js';
import { knowsOption, explainRbdNbd, parseListMapped } from '../../../../src/rbd/mapping/nbd/rbd-nbd-messages.js';
import { mapRequest } from './kernel-fixture.js';

describe('what rbd says', () => {
  // Printed by rbd 16.2.15 on this project's development cluster and in its kernel test guest.
  it.each([
    [2, 'rbd: error opening image nope: (2) No such file or directory', 'BERTH_IMAGE_NOT_FOUND'],
    [2, "rbd: error opening pool 'nope': (2) No such file or directory", 'BERTH_POOL_NOT_FOUND'],
    [2, "rbd: namespace 'nons' does not exist.", 'BERTH_NAMESPACE_NOT_FOUND'],
    [22, "rbd: unknown map option 'bogus'\nrbd: couldn't parse map options", 'BERTH_PARAMETER_INVALID'],
    [
      6,
      'rbd: sysfs write failed\nRBD image feature set mismatch. You can disable features',
      'BERTH_FEATURES_UNSUPPORTED',
    ],
    [6, 'rbd: sysfs write failed\nrbd: map failed: (6) No such device or address', 'BERTH_FEATURES_UNSUPPORTED'],
    [2, 'rbd: failed to load rbd kernel module (1)\nrbd: sysfs write failed', 'BERTH_MAPPER_UNAVAILABLE'],
    [2, 'rbd: failed to get mon address (possible ms_mode mismatch)', 'BERTH_MAP_FAILED'],
    [1, 'rbd: error opening image i0: (1) Operation not permitted', 'BERTH_CEPH_DENIED'],
    [13, "rbd: couldn't connect to the cluster!", 'BERTH_CLUSTER_AUTH_FAILED'],
    [110, "rbd: couldn't connect to the cluster!", 'BERTH_CLUSTER_UNREACHABLE'],
    [108, "rbd: couldn't connect to the cluster!", 'BERTH_CLIENT_EVICTED'],
    [30, 'rbd: sysfs write failed\nrbd: map failed: (30) Read-only file system', 'BERTH_MAP_FAILED'],
    [5, 'rbd: sysfs write failed\nrbd: map failed: (5) Input/output error', 'BERTH_MAP_FAILED'],
  ])('exit code %i, %j is %s', (exitCode, stderr, code) => {
    expect(explainRbd({ exitCode, stderr }, mapRequest(), 'krbd').code).toBe(code);
  });

  it('EINVAL with a key of the new type: the key is named, without a letter of it', () => {
    const request = mapRequest();
    const key = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0]), Buffer.alloc(32, 7)]);
    const access = { ...request.image.access, key: new Secret(key.toString('base64')) };
    const stderr = 'rbd: sysfs write failed\nrbd: map failed: (22) Invalid argument';
    const error = explainRbd({ exitCode: 22, stderr }, { ...request, image: { ...request.image, access } }, 'krbd');
    expect(error.code).toBe('BERTH_CREDENTIALS_INVALID');
    expect(error.message).toMatch(/type 2 \(aes256k\), which krbd of this machine.*Linux 7\.0/);
    expect(error.message).not.toContain(access.key.reveal());
  });

  it('shows the last line that says something', () => {
    const stderr =
      '2026-11-20T23:50:22.085+0000 7f041 -1 monclient: x\nrbd: map failed: (5)\n' +
      'In some cases useful info is found in syslog - try "dmesg | tail".';
    expect(lastWords({ exitCode: 5, stderr })).toBe('rbd: map failed: (5) (exit code 5)');
    expect(lastWords({ exitCode: 1, stderr: '' })).toBe('no message (exit code 1)');
  });

  it('tells busy from not mapped', () => {
    const busy = { exitCode: 16, stderr: 'rbd: sysfs write failed\nrbd: unmap failed: (16) Device or resource busy' };
    const absent = {
      exitCode: 22,
      stderr: "rbd: '/dev/rbd0' is not a block device\nrbd: unmap failed: (22) Invalid argument",
    };
    expect([rbdSaysBusy(busy), saysNotMapped(busy)]).toEqual([true, false]);
    expect([rbdSaysBusy(absent), saysNotMapped(absent)]).toEqual([false, true]);
  });
});

describe('what rbd-nbd says', () => {
  it.each([
    [
      'monclient(hunting): handle_auth_bad_method server allowed_methods []\nfailed to fetch mon config',
      'BERTH_CLUSTER_AUTH_FAILED',
    ],
    ['failed to fetch mon config (--no-mon-config to skip)', 'BERTH_CLUSTER_UNREACHABLE'],
    ['rbd-nbd: failed to find unused device', 'BERTH_MAPPER_UNAVAILABLE'],
    ['rbd-nbd: failed to open device: /dev/nbd9', 'BERTH_MAPPER_UNAVAILABLE'],
    ['rbd-nbd: unknown args: --bogus', 'BERTH_PARAMETER_INVALID'],
  ])('%j is %s', (stderr, code) => {
    expect(explainRbdNbd({ exitCode: 1, stderr }, mapRequest())?.code).toBe(code);
  });

  it('leaves anything else to be asked elsewhere', () => {
    expect(explainRbdNbd({ exitCode: 1, stderr: '' }, mapRequest())).toBeUndefined();
  });

  it.each([
    ['rbd-nbd: unknown command: berth-asks', true],
    ['rbd-nbd: unknown command: --cookie', false],
    ['rbd-nbd: error while loading shared libraries', undefined],
    ['', undefined],
  ])('asked for --cookie, %j means %s', (stderr, isKnown) => {
    expect(knowsOption(stderr, '--cookie')).toBe(isKnown);
  });

  it('tells what is mapped', () => {
    const text =
      '[{"id":7,"pool":"p","namespace":"n","image":"i","snap":"-","device":"/dev/nbd0","cookie":"c"},{"id":8},null]';
    expect(parseListMapped(text)).toEqual([
      { device: '/dev/nbd0', pool: 'p', namespace: 'n', image: 'i', snapshot: '-' },
    ]);
    expect(parseListMapped('')).toEqual([]);
    expect(parseListMapped('{}')).toEqual([]);
  });
});
