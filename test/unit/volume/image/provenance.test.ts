/** Formatting: every row of the table, and the property that content never leads to an mkfs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceContent } from '../../../../src/host/filesystem/probe-device.js';
import {
  decideFormat,
  FILESYSTEM_KEY,
  formatProvenance,
  parseProvenance,
  type Provenance,
} from '../../../../src/volume/image/provenance.js';

const uuid = '0a1b2c3d-0000-4000-8000-00000000000a';
const stranger = '0a1b2c3d-0000-4000-8000-00000000000b';
const never: Provenance = { state: 'never' };
const formatting: Provenance = { state: 'formatting', type: 'ext4', uuid, node: 'a' };
const formatted: Provenance = { state: 'formatted', type: 'ext4', uuid };
const raw: Provenance = { state: 'raw' };
const foreign: Provenance = { state: 'foreign' };
const states = { never, formatting, formatted, raw, foreign };

const finds: Readonly<Record<string, DeviceContent>> = {
  empty: { kind: 'empty' },
  'ours ext4': { kind: 'filesystem', type: 'ext4', uuid },
  'another ext4': { kind: 'filesystem', type: 'ext4', uuid: stranger },
  'ours xfs': { kind: 'filesystem', type: 'xfs', uuid },
  btrfs: { kind: 'filesystem', type: 'btrfs', uuid },
  LUKS: { kind: 'other', what: 'crypto_LUKS' },
  data: { kind: 'other', what: 'data without a known signature' },
};

/** For each state and find: the act for ext4 writable, ext4 read-only, xfs writable, xfs read-only. `-` is refuse. */
const TABLE: Readonly<Record<keyof typeof states, Readonly<Record<keyof typeof finds, string>>>> = {
  never: {
    empty: 'format - format -',
    'ours ext4': 'mount mount - -',
    'another ext4': 'mount mount - -',
    'ours xfs': '- - mount mount',
    ...{ btrfs: '- - - -', LUKS: '- - - -', data: '- - - -' },
  },
  formatting: {
    empty: 'repeat - - -',
    'ours ext4': 'repeat - - -',
    'another ext4': '- - - -',
    'ours xfs': '- - - -',
    // What a cut-short mkfs leaves has no signature; a signature is somebody's.
    ...{ btrfs: '- - - -', LUKS: '- - - -', data: 'repeat - - -' },
  },
  formatted: {
    empty: '- - - -',
    'ours ext4': 'mount mount - -',
    'another ext4': 'mount mount - -',
    'ours xfs': '- - mount mount',
    ...{ btrfs: '- - - -', LUKS: '- - - -', data: '- - - -' },
  },
  raw: {
    empty: '- - - -',
    'ours ext4': 'mount mount - -',
    'another ext4': 'mount mount - -',
    'ours xfs': '- - mount mount',
    ...{ btrfs: '- - - -', LUKS: '- - - -', data: '- - - -' },
  },
  foreign: {
    empty: '- - - -',
    'ours ext4': 'mount mount - -',
    'another ext4': 'mount mount - -',
    'ours xfs': '- - mount mount',
    ...{ btrfs: '- - - -', LUKS: '- - - -', data: '- - - -' },
  },
};

const rows = Object.entries(states).flatMap(([state, provenance]) =>
  Object.entries(finds).map(([what, found]) => ({ state: state as keyof typeof states, provenance, what, found })),
);

const shortOf = (act: string): string => (act === 'refuse' ? '-' : act);

describe('the decision to format', () => {
  it.each(rows)('of an image that is $state and holds $what', ({ state, provenance, what, found }) => {
    const acts = (['ext4', 'xfs'] as const).flatMap((wanted) =>
      [false, true].map((readOnly) => shortOf(decideFormat(provenance, found, wanted, readOnly).act)),
    );
    expect(acts.join(' ')).toBe(TABLE[state][what]);
  });

  it('is never made for a filesystem, another signature, or anything but our own intent behind it', () => {
    const found: fc.Arbitrary<DeviceContent> = fc.oneof(
      fc.record({ kind: fc.constant('filesystem' as const), type: fc.string(), uuid: fc.string() }),
      fc.record({ kind: fc.constant('other' as const), what: fc.string() }),
      fc.constant({ kind: 'empty' as const }),
    );
    const provenance = fc.constantFrom<Provenance>(...Object.values(states), {
      ...formatting,
      type: 'xfs',
    } as Provenance);
    fc.assert(
      fc.property(
        provenance,
        found,
        fc.constantFrom('ext4' as const, 'xfs' as const),
        fc.boolean(),
        (p, f, type, ro) => {
          const { act } = decideFormat(p, f, type, ro);
          if (act === 'format') expect([p.state, f.kind, ro]).toEqual(['never', 'empty', false]);
          if (act === 'repeat') {
            expect([p.state, ro]).toEqual(['formatting', false]);
            expect(p).toMatchObject({ type });
            // Over a filesystem only where it is the one that our own mkfs was making.
            if (f.kind === 'filesystem') expect(p).toMatchObject({ type: f.type, uuid: f.uuid.toLowerCase() });
          } else if (f.kind === 'filesystem') expect(['mount', 'refuse']).toContain(act);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('repeats under the uuid of the record, in whatever case blkid shows it', () => {
    expect(decideFormat(formatting, finds['empty']!, 'ext4', false)).toEqual({ act: 'repeat', uuid });
    const shown: DeviceContent = { kind: 'filesystem', type: 'ext4', uuid: uuid.toUpperCase() };
    expect(decideFormat(formatting, shown, 'ext4', false)).toEqual({ act: 'repeat', uuid });
  });

  it.each<[Provenance, DeviceContent, string]>([
    [foreign, { kind: 'empty' }, 'Berth did not make this image'],
    [raw, { kind: 'empty' }, 'it was used as a raw block device'],
    [formatted, { kind: 'empty' }, 'it may be damaged'],
    [never, { kind: 'other', what: 'a gpt partition table' }, 'it holds a gpt partition table'],
    [never, { kind: 'filesystem', type: 'btrfs', uuid }, 'it holds btrfs, asked for ext4'],
    [formatting, { kind: 'filesystem', type: 'ext4', uuid: stranger }, `it holds ext4 ${stranger}`],
  ])('refuses and says why: %o with %o', (provenance, found, why) => {
    expect(decideFormat(provenance, found, 'ext4', false)).toMatchObject({
      act: 'refuse',
      why: expect.stringContaining(why) as string,
    });
  });
});

const OWN = { id: 'original', fsid: 'here' };
const homeOf = (text: string) => ({ ...OWN, metadata: new Map([[FILESYSTEM_KEY, text]]) });

describe('the filesystem record', () => {
  const read = (text: string): Provenance => parseProvenance(homeOf(text), 'c/p/i');

  it.each([never, formatting, formatted, raw] as Exclude<Provenance, { state: 'foreign' }>[])(
    '%o is read as written',
    (one) => {
      expect(read(formatProvenance(one, 'c/p/i', OWN))).toMatchObject(one);
    },
  );

  it('that is absent makes the image a foreign one', () => {
    expect(parseProvenance({ ...OWN, metadata: new Map([['other', 'x']]) }, 'v')).toEqual(foreign);
  });

  it.each([
    ...['', 'never', 'null', '1', '[]', '{}', '{"version":1}', '{"version":2,"state":"never"}', '{"state":"never"}'],
    ...['{"version":1,"state":"foreign"}', '{"version":1,"state":"formatted"}', '{"version":1,"state":"wiped"}'],
    ...[
      '{"version":1,"state":"formatting","type":"ext4"}',
      `{"version":1,"state":"formatting","type":"btrfs","uuid":"x"}`,
    ],
  ])('%j is refused: nothing is guessed, nothing formatted', (text) => {
    expect(() => read(text)).toThrow(
      /^BERTH_RECORD_UNREADABLE: record berth.dev\/filesystem of c\/p\/i cannot be read: /,
    );
  });
});

describe('a record that came with a clone or a copy', () => {
  const text = formatProvenance({ state: 'never' }, 'c/pool/original', OWN);

  it.each([
    ['another id, under its own name', { ...OWN, id: 'copy' }, 'c/pool/copy'],
    ['another id, moved to the name of its origin', { ...OWN, id: 'copy' }, 'c/pool/original'],
    ['the same id and name in another cluster', { ...OWN, fsid: 'mirror' }, 'c/pool/original'],
  ])('says nothing of an image with %s', (_what, own, volume) => {
    expect(parseProvenance({ ...homeOf(text), ...own }, volume)).toEqual({ state: 'foreign' });
  });

  it('is believed of the same image, also where that was renamed', () => {
    expect(parseProvenance(homeOf(text), 'c/pool/original')).toEqual({ state: 'never' });
    expect(parseProvenance(homeOf(text), 'c/pool/renamed')).toEqual({ state: 'never' });
  });

  it('of a release that wrote no ids goes by the name', () => {
    const old = homeOf('{"version":1,"image":"pool/original","state":"never"}');
    expect(parseProvenance(old, 'c/pool/original')).toEqual({ state: 'never' });
    expect(parseProvenance(old, 'c/pool/copy')).toEqual({ state: 'foreign' });
  });
});
