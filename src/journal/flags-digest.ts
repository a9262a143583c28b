/** Mount flags as the journal keeps them: they may be sensitive (CSI 1.12), so it keeps only enough to compare them. */
import { createHash } from 'node:crypto';
import type { Capability } from '../model/capability.js';

/** Empty for a raw device, which has no flags. */
export const flagsDigest = ({ access }: Pick<Capability, 'access'>): string =>
  access.kind === 'block'
    ? ''
    : createHash('sha256').update(JSON.stringify(access.mountFlags)).digest('hex').slice(0, 16);
