/** Which capabilities the kernel says a process has. */
import { describe, expect, it } from 'vitest';
import {
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
  hasCapability,
} from '../../../../../src/host/process/confine/capability-set.js';

describe('hasCapability', () => {
  const ofContainer = 'Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t00000000a80425fb\n';
  const withAdmin = 'Name:\tnode\nCapEff:\t00000000a82425fb\n';

  it('reads the set that is in effect, not the one that is permitted', () => {
    expect(hasCapability(ofContainer, CAP_SYS_ADMIN)).toBe(false);
    expect(hasCapability(withAdmin, CAP_SYS_ADMIN)).toBe(true);
    expect(hasCapability(withAdmin, CAP_SYS_RESOURCE)).toBe(false);
  });

  it('says no where the kernel says nothing', () => {
    expect(hasCapability('', CAP_SYS_ADMIN)).toBe(false);
  });
});
