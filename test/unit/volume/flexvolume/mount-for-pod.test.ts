/** A FlexVolume mount is one operation: the same call joins it as a whole, and what it cannot finish it undoes. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import {
  mountForPod,
  stageForHost,
  type MountForPod,
  type MountParts,
} from '../../../../src/volume/flexvolume/mount-for-pod.js';
import { ownStagingPath } from '../../../../src/volume/flexvolume/volume-acts.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import { entry, VOLUME } from '../../reconcile/node-facts-fixture.js';

const soon = (): Deadline => Deadline.after(10_000);
const ROOT = '/kubelet/flexvolume';
const OWN = ownStagingPath(ROOT, VOLUME);
const request: MountForPod = {
  volume: VOLUME,
  directory: '/pods/a',
  fsType: undefined,
  readOnly: false,
  group: '',
  secrets: undefined,
  sandbox: { sandbox: 'host', allowHostMount: undefined },
};

let now: JournalEntry | undefined;
let parts: MountParts;
const stage = vi.fn<MountParts['acts']['stage']>();
const publish = vi.fn<MountParts['acts']['publish']>();
const unstage = vi.fn<MountParts['acts']['unstage']>();
const log = { warn: vi.fn() };

/** What an act was asked for, call by call. */
const askedOf = ({ mock }: { readonly mock: { readonly calls: readonly (readonly unknown[])[] } }) =>
  mock.calls.map(([asked]) => asked);

beforeEach(() => {
  now = undefined;
  for (const one of [stage, publish, unstage, log.warn]) one.mockReset();
  stage.mockImplementation(({ stagingPath, withPods }) => {
    now = entry({ stagingPath, ...(withPods === undefined ? {} : { withPods }) });
    return Promise.resolve();
  });
  publish.mockResolvedValue();
  unstage.mockResolvedValue();
  const journal = { read: () => Promise.resolve(now) };
  parts = { operations: new Operations(), journal, acts: { stage, publish, unstage }, stagingRoot: ROOT, log };
});

const mount = (other: Partial<MountForPod> = {}, deadline = soon()) =>
  mountForPod(parts, { ...request, ...other }, deadline);
const staged = () => stage.mock.calls.map(([{ stagingPath, withPods }]) => [stagingPath, withPods]);

describe('mount', () => {
  it('stages by itself and publishes, once for all equal calls', async () => {
    await Promise.all([mount(), mount()]);
    expect(staged()).toEqual([[OWN, true]]);
    expect(askedOf(publish)).toMatchObject([{ volume: VOLUME, stagingPath: OWN, targetPath: '/pods/a' }]);
    await mount();
    expect(stage).toHaveBeenCalledTimes(2);
  });

  it('joins while the volume is published too, where no stage runs any more', async () => {
    let end: () => void = () => undefined;
    publish.mockReturnValueOnce(new Promise((resolve) => (end = resolve)));
    const first = mount();
    await expect.poll(() => publish.mock.calls.length).toBe(1);
    const second = mount();
    await expect(mount({ directory: '/pods/b' })).rejects.toThrow(/BERTH_BUSY.*mount is running/);
    end();
    await Promise.all([first, second]);
    expect([stage, publish].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });

  it('shares a failure, and begins anew after it', async () => {
    stage.mockRejectedValueOnce(new Error('no'));
    const both = await Promise.allSettled([mount(), mount()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(unstage).not.toHaveBeenCalled();
    await mount();
  });

  it('goes on without a caller whose time is over', async () => {
    let end: () => void = () => undefined;
    stage.mockReturnValueOnce(new Promise((resolve) => (end = resolve)));
    const hurried = mount({}, Deadline.after(1));
    const patient = mount();
    await expect(hurried).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    end();
    await patient;
  });

  it('takes the staging path that the volume has, and leaves it to who staged it', async () => {
    now = entry({ stagingPath: '/staged' });
    await mount();
    expect(staged()).toEqual([['/staged', undefined]]);
    now = { ...now, withPods: true };
    await mount({ directory: '/pods/b' });
    expect(staged()[1]).toEqual(['/staged', true]);
  });

  it('unstages what it staged where the pod does not get it, and answers why it did not', async () => {
    publish.mockRejectedValue(berthError('BERTH_TARGET_OCCUPIED', { path: '/pods/a', what: 'x' }));
    await expect(mount()).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
    expect(askedOf(unstage)).toMatchObject([{ volume: VOLUME, stagingPath: OWN }]);
    unstage.mockRejectedValueOnce(berthError('BERTH_UNMAP_BUSY', { device: 'd', image: 'i', who: 'x' }));
    await expect(mount()).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
    expect(log.warn).toHaveBeenCalledTimes(1);
  });

  it('leaves it staged where another pod has it', async () => {
    publish.mockImplementation(() => {
      now = { ...now!, targets: { '/pods/b': { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } };
      return Promise.reject(new Error('no'));
    });
    await expect(mount()).rejects.toThrow('no');
    expect(unstage).not.toHaveBeenCalled();
  });
});

describe('mountdevice', () => {
  it('stages at the path of the orchestrator, which unstages it', async () => {
    await stageForHost(parts, request, soon());
    expect(staged()).toEqual([['/pods/a', undefined]]);
    expect(unstage).not.toHaveBeenCalled();
  });

  it('leaves nothing staged where the filesystem may not be mounted here', async () => {
    const guest = { mounted: false, written: true, allowHostMount: false };
    stage.mockImplementation(({ stagingPath }) => {
      now = entry({ stagingPath, guest });
      return Promise.resolve();
    });
    const both = [stageForHost(parts, request, soon()), stageForHost(parts, request, soon())];
    const code = 'BERTH_HOST_MOUNT_REFUSED';
    expect(await Promise.allSettled(both)).toMatchObject([{ reason: { code } }, { reason: { code } }]);
    expect(askedOf(unstage)).toMatchObject([{ volume: VOLUME, stagingPath: '/pods/a' }]);
  });
});
