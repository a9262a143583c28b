/** The size limits of CSI 1.12, at their edges. */
import { describe, expect, it } from 'vitest';
import { checkLimits } from '../../../src/csi/limits.js';
import { contract } from '../../../src/csi/proto.js';

const check = (message: string, request: object): void =>
  checkLimits(contract().root.lookupType(`csi.v1.${message}`), request);
const refusal = (message: string, request: object): string => {
  try {
    check(message, request);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

describe('checkLimits', () => {
  it('accepts every field at its limit', () => {
    check('CreateVolumeRequest', { name: 'n'.repeat(128), parameters: { k: 'v'.repeat(4095) } });
    check('ControllerPublishVolumeRequest', { volumeId: 'v'.repeat(128), nodeId: 'n'.repeat(256) });
    check('NodePublishVolumeRequest', {
      targetPath: `/${'p'.repeat(4094)}`,
      stagingTargetPath: `/${'p'.repeat(4094)}`,
    });
    check('NodeGetVolumeStatsRequest', { volumePath: `/${'p'.repeat(4094)}` });
    check('NodeStageVolumeRequest', {
      volumeCapability: { mount: { mountFlags: ['a'.repeat(4000), 'b'.repeat(96)] } },
    });
  });

  it.each([
    ['CreateVolumeRequest', { name: 'n'.repeat(129) }, 'name: 129 bytes, the limit is 128'],
    ['CreateVolumeRequest', { name: 'ü'.repeat(65) }, 'name: 130 bytes'],
    ['DeleteVolumeRequest', { volumeId: 'v'.repeat(129) }, 'volume_id: 129 bytes'],
    ['ControllerPublishVolumeRequest', { nodeId: 'n'.repeat(257) }, 'node_id: 257 bytes, the limit is 256'],
    ['NodeUnpublishVolumeRequest', { targetPath: 'p'.repeat(4096) }, 'target_path: 4096 bytes, the limit is 4095'],
    ['NodeExpandVolumeRequest', { volumePath: 'p'.repeat(4096) }, 'volume_path: 4096 bytes'],
    ['CreateVolumeRequest', { parameters: { ab: 'v'.repeat(4095) } }, 'parameters: 4097 bytes, the limit is 4096'],
    ['DeleteVolumeRequest', { secrets: { a: 'x'.repeat(2048), b: 'x'.repeat(2048) } }, 'secrets: 4098 bytes'],
    ['NodeStageVolumeRequest', { volumeContext: { k: 'v'.repeat(5000) } }, 'volume_context: 5001 bytes'],
    [
      'CreateVolumeRequest',
      { volumeCapabilities: [{}, { mount: { mountFlags: ['a'.repeat(4000), 'b'.repeat(97)] } }] },
      'volume_capabilities[1].mount.mount_flags: 4097 bytes',
    ],
    [
      'CreateVolumeRequest',
      { volumeContentSource: { snapshot: { snapshotId: 's'.repeat(129) } } },
      'volume_content_source.snapshot.snapshot_id: 129 bytes',
    ],
    [
      'CreateVolumeGroupSnapshotRequest',
      { sourceVolumeIds: ['ok', 'v'.repeat(129)] },
      'source_volume_ids[1]: 129 bytes',
    ],
    [
      'CreateVolumeRequest',
      { accessibilityRequirements: { requisite: [{ segments: { zone: 'z'.repeat(4096) } }] } },
      'accessibility_requirements.requisite[0].segments: 4100 bytes',
    ],
  ])('refuses %s %#, naming the field', (message, request, says) => {
    const text = refusal(message, request);
    expect(text).toMatch(/^BERTH_FIELD_INVALID: /);
    expect(text).toContain(says);
  });

  it('never shows the value that was too long', () => {
    expect(refusal('DeleteVolumeRequest', { secrets: { userKey: 'K'.repeat(5000) } })).not.toContain('KK');
  });

  it.each(['\u0000', '\u0008', '\u000b', '\u000c', '\u000e', '\u001f', '\u007f', '\u009f'])(
    'refuses the control character %j in a name',
    (character) => {
      expect(refusal('CreateVolumeRequest', { name: `a${character}b` })).toContain('name: control characters');
      expect(refusal('CreateSnapshotRequest', { name: `a${character}b` })).toContain('name: control characters');
    },
  );

  it.each(['tab\tfeed\nreturn\r', 'Größe 大小 \u{1f6a2}', ' ', '../x', '\u00a0'])('allows %j in a name', (name) => {
    expect(refusal('CreateVolumeRequest', { name })).toBe('accepted');
  });
});
