/** What bad input gets: a clear refusal with the right status, and nothing half done. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { admin } from '../ceph.js';
import { refused } from './calls.js';
import { block, bytes, ext4, MiB, mount, RWO, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('bad');
  driver = await site.driver('node-one').start();
});
afterEach(async () => {
  await site.endVolumes();
  expect(await site.images(), 'nothing made in part').toEqual([]);
});
afterAll(() => site.close());

const small = { sizeBytes: SMALL_BYTES };
const create = (other: object, parameters: Record<string, string> = {}) =>
  driver.controller.CreateVolume({ ...site.request(block(), { ...small, parameters }), ...other });

describe('CreateVolume, names', () => {
  const fine = [
    ['Unicode of 128 bytes', 'ж'.repeat(64)],
    ['emoji', '🦀'.repeat(32)],
    ['dots, slashes and at signs', '../../etc/passwd@snap'],
    ['only dots', '..'],
    ['a leading dash', '--pool=rbd'],
    ['spaces and quotes', `a 'b' "c" $(d) \`e\``],
    ['line breaks and tabs, which CSI allows', 'a\nb\tc\r'],
    ['percent signs and braces', '%s{name}%2e'],
    ['capital letters', 'PVC-A'],
    ['the same in small letters', 'pvc-a'],
    ['an umlaut in one piece', '\u00e4'],
    ['an umlaut in two pieces', 'a\u0308'],
    ['right to left', '\u05e9\u05dc\u202eabc'],
  ] as const;

  it('of any Unicode each make a volume of their own, and the same one when they are repeated', async () => {
    const ids = new Set<string>();
    for (const [what, name] of fine) {
      const volume = await site.create(driver, block(), { ...small, name });
      expect(Buffer.byteLength(volume.id), what).toBeLessThanOrEqual(128);
      expect(volume.id, what).toMatch(/^[\x21-\x7e]+$/);
      const again = await driver.controller.CreateVolume(site.request(block(), { ...small, name }));
      expect(again.volume!.volumeId, what).toBe(volume.id);
      ids.add(volume.id);
    }
    expect(ids.size).toBe(fine.length);
    expect(await site.images()).toHaveLength(fine.length);
  });

  it('that are too long or hold control characters are refused', async () => {
    for (const name of [
      'n'.repeat(129),
      'ж'.repeat(65),
      'a\u0000b',
      'a\u0007b',
      'a\u000bb',
      'a\u001fb',
      'a\u007fb',
      'a\u009fb',
    ]) {
      await refused(create({ name }), 'INVALID_ARGUMENT', /name/);
    }
  });
});

describe('CreateVolume, sizes', () => {
  const range = (requiredBytes: string | number, limitBytes: string | number = 0) => ({
    capacityRange: { requiredBytes: String(requiredBytes), limitBytes: String(limitBytes) },
  });

  it('below zero, empty and contradicting ones are refused', async () => {
    await refused(create(range(-1)), 'INVALID_ARGUMENT', /below|negative/);
    await refused(create(range(0, -5)), 'INVALID_ARGUMENT', /below|negative/);
    await refused(create(range('-9223372036854775808')), 'INVALID_ARGUMENT');
    await refused(create(range(0, 0)), 'INVALID_ARGUMENT');
    await refused(create(range(64 * MiB, 32 * MiB)), ['INVALID_ARGUMENT', 'OUT_OF_RANGE'], /limit/);
  });

  it('that nothing can satisfy are out of range', async () => {
    await refused(create(range('9223372036854775807')), 'OUT_OF_RANGE');
    await refused(create(range('9223372036854775296', '9223372036854775807')), 'OUT_OF_RANGE');
    await refused(create(range(2 ** 50)), 'OUT_OF_RANGE', /pool/);
    await refused(create(range(1, 1)), 'OUT_OF_RANGE');
    await refused(create(range(1000, 1023)), 'OUT_OF_RANGE');
  });

  it('too small for the filesystem are raised where that is allowed and else out of range', async () => {
    const request = (limit: number) => ({ ...site.request(xfs()), ...range(MiB, limit) });
    await refused(driver.controller.CreateVolume(request(64 * MiB)), 'OUT_OF_RANGE');
    const { volume } = await driver.controller.CreateVolume(request(0));
    const made = site.track(volume!.volumeId, xfs(), driver);
    expect(Number(volume!.capacityBytes)).toBeGreaterThanOrEqual(XFS_BYTES);
    await made.bring(driver);
  });
});

describe('CreateVolume, capabilities', () => {
  it('that contradict each other or destroy data are refused', async () => {
    const lists = [
      [block(), ext4()],
      [ext4(), xfs()],
      [ext4(RWX)],
      [ext4(), ext4('MULTI_NODE_SINGLE_WRITER')],
      [{ mount: { fsType: 'ext4' }, accessMode: { mode: 'UNKNOWN' } }],
      [{ mount: { fsType: 'ext4', volumeMountGroup: '-1' }, accessMode: { mode: RWO } }],
    ];
    for (const volumeCapabilities of lists) await refused(create({ volumeCapabilities }), 'INVALID_ARGUMENT');
  });

  it('with mount flags beyond 4 KiB, or that are no flags, are refused by NodeStage at the latest', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.attach(driver);
    const flags = [['x'.repeat(5000)], ['bind'], ['remount'], ['loop'], ['noatime\u0000ro'], ['noatime\nro'], ['']];
    for (const mountFlags of flags) {
      const volumeCapability = ext4(RWO, mountFlags);
      await refused(volume.stage(driver, { volumeCapability }), 'INVALID_ARGUMENT', /mount_flags|mountFlags|flag/);
    }
  });
});

describe('CreateVolume, parameters', () => {
  it('mkfsOptions that make no such filesystem are refused, and no image is made; a raw volume has none', async () => {
    const capacityRange = bytes(400 * MiB);
    const cases = [
      [ext4(), '-r 0', /revision 0/],
      [ext4(), '-O journal_dev', /makes jbd/],
      [xfs(), '-L thirteenbytes', /mkfs\.xfs refuses them/],
      [xfs(), '-d size=310m', /not allowed/],
    ] as const;
    const before = await site.images();
    for (const [capability, mkfsOptions, words] of cases) {
      const refusedNow = create({ volumeCapabilities: [capability], capacityRange }, { mkfsOptions });
      await refused(refusedNow, 'INVALID_ARGUMENT', words);
    }
    expect(await site.images()).toEqual(before);
    const raw = await site.create(driver, block(), { sizeBytes: 16 * MiB, parameters: { mkfsOptions: '-r 0' } });
    await raw.delete();
  });

  it('that are not known are named, with those that are', async () => {
    await refused(create({}, { radosNamspace: 'x' }), 'INVALID_ARGUMENT', /radosNamspace.*radosNamespace/);
    await refused(create({}, { 'csi.storage.k8s.io/pvc/nmae': 'x' }), 'INVALID_ARGUMENT', /nmae/);
    await refused(create({}, { '': 'x' }), 'INVALID_ARGUMENT');
    await refused(create({}, { __proto__x: 'x', constructor: 'y' }), 'INVALID_ARGUMENT');
  });

  it('with values that cannot be are refused with their name and value', async () => {
    const wrong: Record<string, readonly string[]> = {
      objectSize: ['3Mi', '0', '-1', '64Mi', '1', 'four', '4 Mi'],
      imageFeatures: ['fast-diff', 'exclusive-lock,telepathy', 'journaling', 'deep flatten'],
      mounter: ['fuse', 'KRBD', ' krbd'],
      stripeUnit: ['1Mi', '3'],
      stripeCount: ['4'],
      volumeNamePrefix: ['-x', 'a/b', 'x'.repeat(60), 'a@b', 'ж'],
      dataPool: ['a/b', '../x', '-x'],
      fsType: ['ntfs', 'xfs '],
      mkfsOptions: ['-F\n', '--help', '-d name=/etc/passwd', '-n'],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const request = { ...site.request(mount(''), { parameters: { [name]: value } }) };
        await refused(driver.controller.CreateVolume(request), 'INVALID_ARGUMENT', new RegExp(name));
      }
    }
  });

  it('of 4 KiB and more are refused', async () => {
    await refused(create({}, { mapOptions: 'x'.repeat(4096) }), 'INVALID_ARGUMENT', /parameters/);
  });

  it('that name a place which is missing or not ours are refused', async () => {
    await refused(create({}, { clusterID: '' }), 'INVALID_ARGUMENT', /clusterID/);
    await refused(create({}, { pool: '' }), 'INVALID_ARGUMENT', /pool/);
    await refused(create({}, { clusterID: 'elsewhere' }), ['INVALID_ARGUMENT', 'NOT_FOUND'], /elsewhere/);
    await refused(create({}, { pool: 'not-listed' }), ['INVALID_ARGUMENT', 'NOT_FOUND'], /not-listed/);
    await refused(create({}, { radosNamespace: 'not-listed' }), ['INVALID_ARGUMENT', 'NOT_FOUND'], /not-listed/);
    await refused(create({}, { radosNamespace: 'a/b' }), 'INVALID_ARGUMENT');
    await refused(create({}, { dataPool: 'no-such-pool' }), ['NOT_FOUND', 'INVALID_ARGUMENT'], /no-such-pool/);
  });

  it('that are listed but not there in Ceph are not found', async () => {
    const file = `${site.directory}/absent.yaml`;
    await site.writeClusters({ namespaces: [site.namespace, 'absent-namespace'] }, {}, file);
    const text = (await run('cat', [file], { deadline: Deadline.after(5_000) })).stdout;
    await run('tee', [file], {
      deadline: Deadline.after(5_000),
      input: text.replace('pools:', 'pools:\n      - name: absent-pool'),
    });
    const other = await site.driver('absent', { clustersFile: file, services: 'identity,controller' }).start();
    const ask = (parameters: Record<string, string>) =>
      other.controller.CreateVolume(site.request(block(), { ...small, parameters }));
    await refused(ask({ radosNamespace: 'absent-namespace' }), 'NOT_FOUND', /absent-namespace/);
    await refused(ask({ pool: 'absent-pool', radosNamespace: '' }), ['NOT_FOUND', 'PERMISSION_DENIED'], /absent-pool/);
  });
});

describe('CreateVolume and NodeStage, secrets', () => {
  it('that are wrong are unauthenticated: an unknown user, another user’s key, no key at all', async () => {
    const { userID, userKey } = site.secrets() as { userID: string; userKey: string };
    const stranger = (
      await run('ceph-authtool', ['--gen-print-key'], { deadline: Deadline.after(10_000) })
    ).stdout.trim();
    const pairs = [
      { userID: 'nobody-here', userKey },
      { userID, userKey: stranger },
      { userID, userKey: site.secrets('node')['userKey']! },
    ];
    for (const secrets of pairs) {
      const text = await refused(create({ secrets }), 'UNAUTHENTICATED', new RegExp(secrets.userID));
      expect(text).not.toContain(secrets.userKey);
    }
    for (const garbage of ['not base64 !', 'AAAA', 'x'.repeat(40), 'key = AQ==']) {
      const text = await refused(create({ secrets: { userID, userKey: garbage } }), [
        'UNAUTHENTICATED',
        'INVALID_ARGUMENT',
      ]);
      expect(text).not.toContain(garbage);
    }
    await site.create(driver, block(), small);
  });

  it('of which one half is missing are invalid, and none at all use the configured user', async () => {
    const { userID, userKey } = site.secrets() as { userID: string; userKey: string };
    const halves: Record<string, string>[] = [
      { userID },
      { userKey },
      { userID, userKey: '' },
      { userID: '', userKey },
      { other: 'x' },
    ];
    for (const secrets of halves) await refused(create({ secrets }), 'INVALID_ARGUMENT', /userID|userKey/);
    for (const userID of ['client.admin', 'a b', '-x', 'a\nb']) {
      await refused(create({ secrets: { userID, userKey } }), ['INVALID_ARGUMENT', 'UNAUTHENTICATED']);
    }
    const { volume } = await create({ secrets: {} });
    site.track(volume!.volumeId, block(), driver);
  });

  it('of a user who may not write here are denied', async () => {
    const user = `it-${site.namespace}`;
    const caps = ['mon', 'profile rbd', 'osd', `profile rbd-read-only pool=${site.pool}`];
    const deadline = Deadline.after(30_000);
    const userKey = (await admin().ceph(['auth', 'get-or-create-key', `client.${user}`, ...caps], deadline)).trim();
    try {
      await refused(create({ secrets: { userID: user, userKey } }), 'PERMISSION_DENIED', new RegExp(user));
    } finally {
      await admin().ceph(['auth', 'rm', `client.${user}`], deadline);
    }
  });

  it('that are wrong stop a stage with nothing left, and the right ones finish it', async () => {
    const volume = await site.create(driver, ext4(), small);
    await volume.attach(driver);
    const secrets = { userID: 'nobody-here', userKey: site.secrets()['userKey']! };
    await refused(volume.stage(driver, { secrets }), 'UNAUTHENTICATED', /nobody-here/);
    await volume.stage(driver);
  });
});

describe('DeleteVolume and others, volume ids', () => {
  it('of 129 bytes and more are refused, others that cannot be ours are not found', async () => {
    const secrets = site.secrets();
    const long = 'x'.repeat(129);
    const publish = (volumeId: string, nodeId = driver.nodeId) =>
      driver.controller.ControllerPublishVolume({ volumeId, nodeId, volumeCapability: block(), secrets });
    await refused(publish(long), 'INVALID_ARGUMENT', /volume_id/);
    await refused(driver.controller.DeleteVolume({ volumeId: long, secrets }), 'INVALID_ARGUMENT', /volume_id/);
    const here = `dev/${site.pool}/${site.namespace}`;
    for (const id of [
      `${here}/a/b`,
      `${here}/..`,
      `${here}/-x`,
      `${here}/a@b`,
      `dev/${site.pool}/none/x`,
      `dev/none/x`,
      'none/a/b',
      '/',
      ' ',
    ]) {
      await refused(publish(id), 'NOT_FOUND');
    }
    const volume = await site.create(driver, block(), small);
    await refused(volume.attach(driver, { nodeId: 'n'.repeat(257) }), 'INVALID_ARGUMENT', /node_id/);
    await refused(volume.attach(driver, { nodeId: 'ж'.repeat(100) }), 'NOT_FOUND');
  });
});
