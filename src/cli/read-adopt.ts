/** The arguments of `berth adopt`, checked. */
import { FILESYSTEMS, type FilesystemType } from '../model/capability.js';
import { oneOf } from '../options/option-values.js';
import { usageError } from '../options/usage-error.js';
import { readOption, type Environment, type Given } from '../options/options.js';
import type { ImageAsked } from '../volume/image/find-handle.js';

export interface AdoptArguments {
  readonly clusters: string;
  readonly image: ImageAsked;
  readonly name: string | undefined;
  readonly fsType: FilesystemType | undefined;
  /** `namespace/name` of the claim that is to get it. */
  readonly claim: string | undefined;
  readonly accessMode: string;
}

export const CLAIM_ACCESS_MODES = ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadOnlyMany'] as const;
const HELP = 'berth adopt --help';

/** @param image `pool/image` or `pool/namespace/image`; BERTH_USAGE */
export function readAdopt(image: string, given: Given, env: Environment): AdoptArguments {
  const { claim, name } = given;
  const accessMode = oneOf(CLAIM_ACCESS_MODES)(given['access-mode'] ?? CLAIM_ACCESS_MODES[0], '--access-mode');
  const fsType = given['fs-type'] === undefined ? undefined : oneOf(FILESYSTEMS)(given['fs-type'], '--fs-type');
  if (!/^[^/]+[/][^/]+$/.test(claim ?? 'a/b')) throw usageError('--claim', `"${claim}" is not NAMESPACE/NAME`, HELP);
  return {
    clusters: readOption('clusters', given, env),
    image: { cluster: given['cluster-id'], monitors: [], ...parseImage(image) },
    name,
    fsType,
    claim,
    accessMode,
  };
}

function parseImage(text: string): Pick<ImageAsked, 'pool' | 'namespace' | 'image'> {
  const parts = text.split('/');
  if (parts.length < 2 || parts.length > 3)
    throw usageError(text, 'one image is needed, as POOL[/NAMESPACE]/IMAGE', HELP);
  const [pool = '', namespace = '', image = ''] = parts.length === 3 ? parts : [parts[0], '', parts[1]];
  return { pool, namespace, image };
}
