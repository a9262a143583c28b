/**
 * CSI 1.12, Identity and Controller: what every orchestrator may rely on, asked of a real driver with a real cluster.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { refused } from './calls.js';
import { block, bytes, ext4, MiB, ROX, RWO, RWOP, RWX, SMALL_BYTES, xfs, XFS_BYTES } from './capabilities.js';
import type { Driver } from './driver.js';
import { Site } from './site.js';

let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('conf');
  driver = await site.driver('node-one').start();
});
afterEach(() => site.endVolumes());
afterAll(() => site.close());

/** The capabilities of CSI 1.12 that are not alpha or are needed by a sidecar: a newer value fails older tools. */
const CONTROLLER_CAPABILITIES = [
  'CLONE_VOLUME',
  'CREATE_DELETE_SNAPSHOT',
  'CREATE_DELETE_VOLUME',
  'EXPAND_VOLUME',
  'GET_CAPACITY',
  'GET_SNAPSHOT',
  'GET_VOLUME',
  'LIST_SNAPSHOTS',
  'LIST_VOLUMES',
  'LIST_VOLUMES_PUBLISHED_NODES',
  'PUBLISH_READONLY',
  'PUBLISH_UNPUBLISH_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'VOLUME_CONDITION',
];

describe('GetPluginInfo, GetPluginCapabilities and Probe', () => {
  it('has a name that begins and ends with a letter and fits 63 characters', async () => {
    const { name, vendorVersion } = await driver.identity.GetPluginInfo({});
    expect(name).toMatch(/^[a-zA-Z][A-Za-z0-9\-._]{0,61}[a-zA-Z]$/);
    expect(name).toBe('rbd.csi.berth.dev');
    expect(vendorVersion).not.toBe('');
  });

  it('offers a controller service and online expansion, and nothing that is not there', async () => {
    const { capabilities } = await driver.identity.GetPluginCapabilities({});
    const all = capabilities.map(({ service, volumeExpansion }) => service?.type ?? volumeExpansion?.type);
    expect(all.sort()).toEqual([
      'CONTROLLER_SERVICE',
      'GROUP_CONTROLLER_SERVICE',
      'ONLINE',
      'SNAPSHOT_METADATA_SERVICE',
    ]);
  });

  it('is ready', async () => {
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
  });

  it('has the same plugin capabilities as a node and as a controller, which serve their own part alone', async () => {
    const both = await driver.identity.GetPluginCapabilities({});
    const onlyNode = await site.driver('only-node', { services: 'node' }).start();
    const onlyController = await site.driver('only-controller', { services: 'controller' }).start();
    for (const part of [onlyNode, onlyController]) {
      expect(await part.identity.GetPluginCapabilities({})).toEqual(both);
    }
    await expect(onlyNode.controller.ControllerGetCapabilities({})).rejects.toMatchObject({ code: 12 });
    await expect(onlyController.node.NodeGetInfo({})).rejects.toMatchObject({ code: 12 });
  });
});

describe('an RPC that is not there', () => {
  const calls: Record<string, () => Promise<unknown>> = {
    ControllerModifyVolume: () => driver.controller.ControllerModifyVolume({ volumeId: 'x' }),
  };
  it.each(Object.keys(calls))('%s answers UNIMPLEMENTED with a message', async (name) => {
    await expect(calls[name]!()).rejects.toMatchObject({ code: 12, details: expect.stringMatching(/./) as string });
  });
});

describe('ControllerGetCapabilities', () => {
  it('are those of 1.12 that work, each once', async () => {
    const { capabilities } = await driver.controller.ControllerGetCapabilities({});
    expect(capabilities.map(({ rpc }) => rpc?.type).sort()).toEqual(CONTROLLER_CAPABILITIES);
  });
});

describe('CreateVolume', () => {
  it('wants a name and capabilities before anything else, even before right parameters and secrets', async () => {
    const { controller } = driver;
    const nothing = { parameters: { nonsense: 'yes' }, secrets: { userID: 'nobody', userKey: 'wrong' } };
    await refused(controller.CreateVolume({ ...nothing, volumeCapabilities: [ext4()] }), 'INVALID_ARGUMENT', /name/);
    await refused(controller.CreateVolume({ ...nothing, name: 'x' }), 'INVALID_ARGUMENT', /volume_capabilities/);
    await refused(
      controller.CreateVolume({ ...site.request(ext4()), volumeCapabilities: [{}] }),
      'INVALID_ARGUMENT',
      /volume_capabilities/,
    );
    expect(await site.images()).toEqual([]);
  });

  it('required and limit name one size: makes exactly that, and answers the same when repeated', async () => {
    const request = site.request(ext4(), { sizeBytes: 48 * MiB + 4096 });
    const first = await driver.controller.CreateVolume(request);
    site.track(first.volume!.volumeId, ext4(), driver);
    expect(first.volume!.capacityBytes).toBe(String(48 * MiB + 4096));
    for (let again = 0; again < 3; again += 1) expect(await driver.controller.CreateVolume(request)).toEqual(first);
    expect(await site.images()).toHaveLength(1);
    const other = { ...request, capacityRange: bytes(96 * MiB) };
    await refused(driver.controller.CreateVolume(other), 'ALREADY_EXISTS', /size/);
    const [image] = await site.images();
    const info = await site.rbd('info', `${site.pool}/${site.namespace}/${image!}`, '--format', 'json');
    expect((JSON.parse(info) as { size: number }).size).toBe(48 * MiB + 4096);
  });

  it('name exists: the same volume where its size lies in the range, refused where it lies outside', async () => {
    const name = site.unique();
    const first = await site.create(driver, block(), { name, sizeBytes: 64 * MiB });
    const ask = async (required: number, limit: number) =>
      driver.controller.CreateVolume({
        ...site.request(block(), { name }),
        capacityRange: { requiredBytes: String(required), limitBytes: String(limit) },
      });
    expect((await ask(32 * MiB, 0)).volume!.volumeId).toBe(first.id);
    expect((await ask(0, 64 * MiB)).volume!.volumeId).toBe(first.id);
    await refused(ask(64 * MiB + 512, 0), 'ALREADY_EXISTS');
    await refused(ask(0, 63 * MiB), 'ALREADY_EXISTS');
  });

  it('refuses the same name with other parameters', async () => {
    const name = site.unique();
    await site.create(driver, block(), { name, sizeBytes: SMALL_BYTES });
    for (const parameters of [{ objectSize: '8Mi' }, { imageFeatures: 'layering' }, { mounter: 'loop' }]) {
      const again = site.request(block(), { name, sizeBytes: SMALL_BYTES, parameters });
      await refused(driver.controller.CreateVolume(again), 'ALREADY_EXISTS');
    }
  });

  it('chooses a size where none is asked for', async () => {
    const { volume } = await driver.controller.CreateVolume(site.request(xfs()));
    site.track(volume!.volumeId, xfs(), driver);
    expect(Number(volume!.capacityBytes)).toBeGreaterThanOrEqual(XFS_BYTES);
  });

  it('never goes beyond the limit, nor below what is required', async () => {
    const request = { ...site.request(block()), capacityRange: { requiredBytes: '10000001', limitBytes: '10000384' } };
    const { volume } = await driver.controller.CreateVolume(request);
    site.track(volume!.volumeId, block(), driver);
    expect(Number(volume!.capacityBytes)).toBeGreaterThanOrEqual(10_000_001);
    expect(Number(volume!.capacityBytes)).toBeLessThanOrEqual(10_000_384);
  });

  it('makes an id that fits 128 bytes and a context without secrets from a name of 128 bytes', async () => {
    const volume = await site.create(driver, block(), { name: 'n'.repeat(128), sizeBytes: SMALL_BYTES });
    expect(Buffer.byteLength(volume.id)).toBeLessThanOrEqual(128);
  });

  it('refuses mutable parameters that it does not know', async () => {
    const request = { ...site.request(block()), mutableParameters: { XXX_FakeKey: 'yes' } };
    await refused(driver.controller.CreateVolume(request), 'INVALID_ARGUMENT', /XXX_FakeKey/);
    expect(await site.images()).toEqual([]);
  });

  it('refuses sources, which it cannot have made', async () => {
    for (const volumeContentSource of [{ snapshot: { snapshotId: 'x' } }, { volume: { volumeId: 'y' } }]) {
      const request = { ...site.request(block()), volumeContentSource };
      await refused(driver.controller.CreateVolume(request), ['INVALID_ARGUMENT', 'NOT_FOUND']);
    }
    expect(await site.images()).toEqual([]);
  });
});

describe('DeleteVolume', () => {
  it('wants an id, and takes every volume that is not there for deleted', async () => {
    const { controller } = driver;
    const secrets = site.secrets();
    await refused(controller.DeleteVolume({ secrets }), 'INVALID_ARGUMENT', /volume_id/);
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const gone = volume.id.replace(/[^/]+$/, 'berth-gone');
    const ids = ['x', 'fake-vol-id-1', '../../etc/passwd', 'a/b/c/d/e', '///', 'ж/ж/ж', gone, `none/${gone}`];
    for (const volumeId of ids) await controller.DeleteVolume({ volumeId, secrets });
    for (let times = 0; times < 11; times += 1) await controller.DeleteVolume({ volumeId: volume.id, secrets });
    expect(await site.images()).toEqual([]);
  });

  it('refuses a volume that is attached, naming the node; one with a snapshot goes, and that stays', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    await refused(volume.delete(), 'FAILED_PRECONDITION', new RegExp(driver.nodeId));
    await volume.detach(driver);
    await site.rbd('snap', 'create', '--no-progress', `${volume.image}@kept`);
    const { id } = JSON.parse(await site.rbd('info', volume.image, '--format', 'json')) as { id: string };
    await volume.delete();
    expect(await site.images()).toEqual([]);
    // Beside those of the tests before, which may still be purged.
    const image = `${site.pool}/${site.namespace}/berth-deleted-${id}`;
    expect(await site.rbd('snap', 'ls', image)).toContain('kept');
    await site.rbd('snap', 'rm', '--no-progress', `${image}@kept`);
  });
});

describe('ControllerPublishVolume', () => {
  it('wants volume, node and capability', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const whole = { volumeId: volume.id, nodeId: driver.nodeId, volumeCapability: block(), secrets: site.secrets() };
    const { controller } = driver;
    await refused(controller.ControllerPublishVolume({ ...whole, volumeId: '' }), 'INVALID_ARGUMENT', /volume_id/);
    await refused(controller.ControllerPublishVolume({ ...whole, nodeId: '' }), 'INVALID_ARGUMENT', /node_id/);
    await refused(controller.ControllerPublishVolume({ ...whole, volumeCapability: null }), 'INVALID_ARGUMENT');
  });

  it('knows neither volumes nor nodes that are not there', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await refused(volume.attach(driver, { nodeId: 'no-such-node' }), 'NOT_FOUND', /no-such-node/);
    for (const volumeId of ['some-fake-volume-id', volume.id.replace(/[^/]+$/, 'berth-gone')]) {
      await refused(volume.attach(driver, { volumeId }), 'NOT_FOUND');
    }
  });

  it('may be repeated ten times, and refuses the same node in another way', async () => {
    const volume = await site.create(driver, block(RWO), { sizeBytes: SMALL_BYTES });
    for (let times = 0; times < 10; times += 1) await volume.attach(driver);
    await refused(volume.attach(driver, { readonly: true }), 'ALREADY_EXISTS');
    await refused(volume.attach(driver, { volumeCapability: block(RWOP) }), 'ALREADY_EXISTS');
    for (let times = 0; times < 11; times += 1) await volume.detach(driver);
  });

  it('is not undone by the detach of another node, and wholly undone by one that names no node', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    await volume.attach(driver);
    const request = { volumeId: volume.id, secrets: site.secrets() };
    await driver.controller.ControllerUnpublishVolume({ ...request, nodeId: 'somebody-else' });
    await refused(volume.delete(), 'FAILED_PRECONDITION');
    await driver.controller.ControllerUnpublishVolume({ ...request, nodeId: '' });
    await volume.delete();
  });

  it('takes a detach from a volume that is gone, or never was, for done', async () => {
    await refused(driver.controller.ControllerUnpublishVolume({ nodeId: 'x' }), 'INVALID_ARGUMENT', /volume_id/);
    for (const volumeId of ['fake-vol-id', `dev/${site.pool}/${site.namespace}/berth-gone`]) {
      await driver.controller.ControllerUnpublishVolume({ volumeId, nodeId: driver.nodeId, secrets: site.secrets() });
    }
  });
});

describe('ValidateVolumeCapabilities', () => {
  const validate = (volumeId: string, volumeCapabilities = [ext4()], parameters: Record<string, string> = {}) =>
    driver.controller.ValidateVolumeCapabilities({ volumeId, volumeCapabilities, parameters, secrets: site.secrets() });

  it('wants id and capabilities and really looks for the volume', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    await refused(validate(''), 'INVALID_ARGUMENT', /volume_id/);
    await refused(validate(volume.id, []), 'INVALID_ARGUMENT', /volume_capabilities/);
    await refused(validate('unknown'), 'NOT_FOUND');
    await refused(validate(volume.id.replace(/[^/]+$/, 'berth-gone')), 'NOT_FOUND');
  });

  it('confirms and echoes what it can do', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    for (const asked of [[ext4(RWO)], [ext4(RWOP), ext4(ROX)], [block(RWX)], [ext4('SINGLE_NODE_WRITER')]]) {
      const { confirmed, message } = await validate(volume.id, asked, site.parameters);
      expect(
        confirmed?.volumeCapabilities.map((one) => one.accessMode?.mode),
        message,
      ).toEqual(asked.map((one) => one.accessMode?.mode));
      expect(confirmed?.parameters).toEqual(site.parameters);
    }
  });

  it('says why not, with OK and nothing confirmed', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const refusedOnes = [
      () => validate(volume.id, [ext4(RWX)]),
      () => validate(volume.id, [ext4(), ext4(RWX)]),
      () => validate(volume.id, [ext4()], { ...site.parameters, objectSize: '8Mi' }),
      () => validate(volume.id, [ext4()], { ...site.parameters, pool: 'elsewhere' }),
    ];
    for (const ask of refusedOnes) {
      const { confirmed, message } = await ask();
      expect(confirmed).toBeNull();
      expect(message).not.toBe('');
    }
  });

  it('says that contradicting or unknown capabilities and parameters are not confirmed, without an error', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const asked = [
      () => validate(volume.id, [block(), ext4()]),
      () => validate(volume.id, [{ mount: { fsType: 'btrfs' }, accessMode: { mode: RWO } }]),
      () => validate(volume.id, [ext4()], { ...site.parameters, tpyo: 'yes' }),
    ];
    for (const ask of asked) {
      const { confirmed, message } = await ask();
      expect(confirmed).toBeNull();
      expect(message).not.toBe('');
    }
  });
});

describe('ControllerExpandVolume', () => {
  it('wants an id and a range, knows what is not there and answers exactly what was asked', async () => {
    const volume = await site.create(driver, block(), { sizeBytes: SMALL_BYTES });
    const whole = { volumeId: volume.id, capacityRange: bytes(64 * MiB), secrets: site.secrets() };
    const { controller } = driver;
    await refused(controller.ControllerExpandVolume({ ...whole, volumeId: '' }), 'INVALID_ARGUMENT', /volume_id/);
    await refused(controller.ControllerExpandVolume({ ...whole, capacityRange: null }), 'INVALID_ARGUMENT', /range/);
    await refused(controller.ControllerExpandVolume({ ...whole, volumeId: 'unknown' }), 'NOT_FOUND');
    for (let times = 0; times < 2; times += 1) {
      expect((await controller.ControllerExpandVolume(whole)).capacityBytes).toBe(String(64 * MiB));
    }
    const less = await controller.ControllerExpandVolume({ ...whole, capacityRange: { requiredBytes: '1048576' } });
    expect(less.capacityBytes).toBe(String(64 * MiB));
    const below = { ...whole, capacityRange: { requiredBytes: '0', limitBytes: String(SMALL_BYTES) } };
    await refused(controller.ControllerExpandVolume(below), 'OUT_OF_RANGE');
  });
});
