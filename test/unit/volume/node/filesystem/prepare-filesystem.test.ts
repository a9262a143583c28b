/** What is done to a device by what its record and its content say; nothing here has a real device or a cluster. */
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import { FILESYSTEM_KEY, formatProvenance, type Provenance } from '../../../../../src/volume/image/provenance.js';
import {
  typeToMount,
  type DeviceInspection,
  type Preparation,
} from '../../../../../src/volume/node/filesystem/inspect-device.js';
import { prepareFilesystem } from '../../../../../src/volume/node/filesystem/prepare-filesystem.js';
import { scriptedExec } from '../../../../fakes/scripted-exec.js';
import { nodeNamed } from '../../../../fakes/node-named.js';

const VOLUME = 'dev/pool/berth-a';
const UUID = '0b2b9a3e-95b1-4c7e-8f27-1d9d6f7c6c04';

function nodeWith(isRecordOurs: boolean) {
  const { exec, calls } = scriptedExec(() => ({}));
  const written: (string | undefined)[][] = [];
  const rbd = {
    compareAndSet: (_at: unknown, _id: string, key: string, expected: string | undefined, next: string | undefined) => {
      written.push([key, expected, next]);
      return Promise.resolve(isRecordOurs);
    },
  };
  const parts = { self: nodeNamed('node-one'), exec, rbd, log: { warn: () => undefined } };
  const steps: string[] = [];
  const operation = { step: (name: string) => void steps.push(name), straggler: () => undefined };
  return { parts, operation, calls, written, steps };
}

function preparationOf(provenance: Exclude<Provenance, { state: 'foreign' }>, more: Partial<Preparation> = {}) {
  const own = { id: 'id', fsid: 'fsid' };
  const recorded = formatProvenance(provenance, VOLUME, own);
  const head = {
    ...own,
    sizeBytes: 0n,
    objectSizeBytes: 0,
    features: [],
    metadata: new Map([[FILESYSTEM_KEY, recorded]]),
  };
  const found = { volume: VOLUME, head } as unknown as Preparation['found'];
  const preparation: Preparation = {
    ...{ found, device: '/dev/berth-none', type: 'xfs', isTypeAsked: true, readOnly: false, mkfsOptions: [] },
    ...more,
  };
  return { recorded, preparation };
}

const prepare = (
  node: ReturnType<typeof nodeWith>,
  preparation: Preparation,
  inspection: DeviceInspection,
): Promise<boolean> => prepareFilesystem(node.parts, preparation, inspection, node.operation, Deadline.after(5_000));

describe('prepareFilesystem', () => {
  const never: Provenance = { state: 'never' };
  const formatted = { state: 'formatted', type: 'xfs', uuid: UUID } as const;
  const xfs = { kind: 'filesystem', type: 'xfs', uuid: UUID } as const;

  it('refuses an empty device whose image holds data, and neither writes nor runs anything', async () => {
    const node = nodeWith(true);
    const { preparation } = preparationOf(never);
    const inspection: DeviceInspection = { provenance: never, content: { kind: 'empty' }, isUntouched: false };
    await expect(prepare(node, preparation, inspection)).rejects.toThrow(
      /BERTH_FORMAT_REFUSED: .*its image holds data/,
    );
    expect([node.calls, node.written, node.steps]).toEqual([[], [], []]);
  });

  it('does not begin an mkfs whose intent it could not record', async () => {
    const node = nodeWith(false);
    const { recorded, preparation } = preparationOf(never);
    const inspection: DeviceInspection = { provenance: never, content: { kind: 'empty' }, isUntouched: true };
    await expect(prepare(node, preparation, inspection)).rejects.toMatchObject({ code: 'BERTH_RECORD_CONTENDED' });
    expect(node.written).toEqual([[FILESYSTEM_KEY, recorded, expect.stringContaining('"formatting"')]]);
    expect(node.written[0]?.[2]).toContain('node-one');
    expect([node.calls, node.steps]).toEqual([[], ['record format intent']]);
  });

  it('names the filesystem that is there where another one is asked for', async () => {
    const node = nodeWith(true);
    const { preparation } = preparationOf(formatted, { type: 'ext4' });
    const inspection: DeviceInspection = { provenance: formatted, content: xfs, isUntouched: false };
    await expect(prepare(node, preparation, inspection)).rejects.toMatchObject({ code: 'BERTH_FILESYSTEM_MISMATCH' });
  });

  it('checks for a guest whatever the superblock says, where a tool does so without a mount', async () => {
    const provenance = { state: 'formatted', type: 'ext4', uuid: UUID } as const;
    const inspection: DeviceInspection = {
      ...{ provenance, isUntouched: false },
      content: { kind: 'filesystem', type: 'ext4', uuid: UUID },
    };
    const node = nodeWith(true);
    const { preparation } = preparationOf(provenance, { type: 'ext4', forGuest: true });
    expect(await prepare(node, preparation, inspection)).toBe(false);
    expect([node.calls, node.steps]).toEqual([['e2fsck -p -C 3 /dev/berth-none'], ['repair']]);
  });

  it('touches nothing of what is mounted read-only', async () => {
    const node = nodeWith(true);
    const { preparation } = preparationOf(formatted, { readOnly: true, forGuest: true });
    const inspection: DeviceInspection = { provenance: formatted, content: xfs, isUntouched: false };
    expect(await prepare(node, preparation, inspection)).toBe(false);
    expect([node.calls, node.written, node.steps]).toEqual([[], [], []]);
  });
});

describe('typeToMount', () => {
  const never: Provenance = { state: 'never' };
  const begun: Provenance = { state: 'formatting', type: 'ext4', uuid: UUID, node: 'n' };
  const holds = (type: string): DeviceInspection['content'] => ({ kind: 'filesystem', type, uuid: UUID });

  it.each<[string, boolean, Provenance, DeviceInspection['content'], string]>([
    ['what is on the device where nobody asks', false, { state: 'foreign' }, holds('xfs'), 'xfs'],
    ['what is on the device, whatever its class said', false, { state: 'raw' }, holds('xfs'), 'xfs'],
    ['what is asked for', true, { state: 'foreign' }, holds('xfs'), 'ext4'],
    ['what an mkfs of ours began', false, begun, holds('xfs'), 'ext4'],
    ['what is expected of an empty device', false, never, { kind: 'empty' }, 'ext4'],
    ['what is expected where nobody knows the other', false, { state: 'foreign' }, holds('btrfs'), 'ext4'],
  ])('is %s', (_, isTypeAsked, provenance, content, type) => {
    expect(typeToMount({ type: 'ext4', isTypeAsked }, { provenance, content })).toBe(type);
  });
});
