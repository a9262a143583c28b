/** Which filesystem a machine can grow while it is mounted, read from its capabilities. */
import { describe, expect, it } from 'vitest';
import { growableFilesystem } from '../../../src/dev/settings.js';

describe('growableFilesystem', () => {
  it('is ext4 with CAP_SYS_RESOURCE and xfs without', () => {
    expect(growableFilesystem('CapPrm:\t0\nCapEff:\t000001ffffffffff\n')).toBe('ext4');
    expect(growableFilesystem('CapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n')).toBe('xfs');
  });

  it('is xfs where the kernel says nothing', () => {
    expect(growableFilesystem('')).toBe('xfs');
  });
});
