/** The one message of resize2fs that has a meaning of its own. */
import { describe, expect, it } from 'vitest';
import { saysNotPermitted } from '../../../../src/host/filesystem/resize.js';

describe('saysNotPermitted', () => {
  it('is EPERM of the online resize, nothing else', () => {
    expect(saysNotPermitted('resize2fs 1.47.0 (5-Feb-2023)\nresize2fs: Permission denied to resize filesystem')).toBe(
      true,
    );
    expect(saysNotPermitted('resize2fs: Permission denied while trying to open /dev/rbd0')).toBe(false);
    expect(saysNotPermitted("resize2fs: Please run 'e2fsck -f /dev/rbd0' first.")).toBe(false);
  });
});
