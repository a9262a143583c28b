/** Which uses of a volume are honoured: all modes, both kinds, and lists that contradict themselves. */
import { describe, expect, it } from 'vitest';
import {
  ACCESS_MODES,
  allowsManyTargets,
  isAccessMode,
  isMultiNode,
  isReaderMode,
  type AccessMode,
  type Capability,
} from '../../../../src/model/capability.js';
import { checkCapabilities, whyNotCapability } from '../../../../src/volume/image/capability-rules.js';

const mount = (mode: AccessMode, fsType?: 'ext4' | 'xfs'): Capability => ({
  mode,
  access: { kind: 'mount', fsType, mountFlags: [], group: '' },
});
const block = (mode: AccessMode): Capability => ({ mode, access: { kind: 'block' } });

/** Mode: honoured as mount, as block; reader, multi-node, many targets on a node. */
const TABLE: Readonly<Record<AccessMode, readonly [boolean, boolean, boolean, boolean, boolean]>> = {
  SINGLE_NODE_WRITER: [true, true, false, false, false],
  SINGLE_NODE_READER_ONLY: [true, true, true, false, false],
  MULTI_NODE_READER_ONLY: [true, true, true, true, true],
  MULTI_NODE_SINGLE_WRITER: [false, false, false, true, true],
  MULTI_NODE_MULTI_WRITER: [false, true, false, true, true],
  SINGLE_NODE_SINGLE_WRITER: [true, true, false, false, false],
  SINGLE_NODE_MULTI_WRITER: [true, true, false, false, true],
};

describe('a capability', () => {
  it.each(ACCESS_MODES)('of %s is honoured where RBD can', (mode) => {
    const honoured = [mount(mode), block(mode)].map((one) => whyNotCapability(one) === undefined);
    expect([...honoured, isReaderMode(mode), isMultiNode(mode), allowsManyTargets(mode)]).toEqual(TABLE[mode]);
  });

  it('of a mode that is none is no mode', () => {
    expect(ACCESS_MODES.every(isAccessMode)).toBe(true);
    for (const text of ['UNKNOWN', '', 1, undefined, null]) expect(isAccessMode(text)).toBe(false);
  });
});

describe('a list of capabilities', () => {
  it.each<[string, readonly Capability[]]>([
    ['one', [mount('SINGLE_NODE_WRITER')]],
    ['several modes', [mount('SINGLE_NODE_WRITER', 'xfs'), mount('MULTI_NODE_READER_ONLY', 'xfs')]],
    ['a filesystem named once', [mount('SINGLE_NODE_WRITER'), mount('SINGLE_NODE_WRITER', 'xfs')]],
    ['shared block', [block('MULTI_NODE_MULTI_WRITER'), block('SINGLE_NODE_WRITER')]],
  ])('with %s is honoured', (_what, list) => {
    expect(() => checkCapabilities(list)).not.toThrow();
  });

  it.each<[string, readonly Capability[], RegExp]>([
    ['nothing', [], /BERTH_FIELD_MISSING: volume_capabilities/],
    ['block and mount', [block('SINGLE_NODE_WRITER'), mount('SINGLE_NODE_WRITER')], /block and mount .* contradict/],
    [
      'two filesystems',
      [mount('SINGLE_NODE_WRITER', 'xfs'), mount('SINGLE_NODE_WRITER', 'ext4')],
      /xfs and ext4 contra/,
    ],
    ['one bad among good', [mount('SINGLE_NODE_WRITER'), mount('MULTI_NODE_MULTI_WRITER')], /destroy it/],
    ['one writer of many', [block('MULTI_NODE_SINGLE_WRITER')], /MULTI_NODE_SINGLE_WRITER/],
  ])('with %s is refused', (_what, list, message) => {
    expect(() => checkCapabilities(list)).toThrow(message);
  });
});
