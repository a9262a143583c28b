/** Which uses of a volume RBD can honour; the sentence says what to ask for instead. */
import { FILESYSTEMS, isMultiNode, isReaderMode, type Capability } from '../../model/capability.js';
import { berthError } from '../../model/errors.js';
import { checkMountFlags, whyNotMountFlags } from '../../model/mount/mount-flags.js';

/** Why this capability cannot be honoured; undefined where it can. */
export function whyNotCapability({ access, mode }: Capability): string | undefined {
  if (access.kind === 'mount' && isMultiNode(mode) && !isReaderMode(mode)) {
    return `${mode} with a filesystem: two nodes that write one ${FILESYSTEMS.join(' or ')} destroy it`;
  }
  if (mode === 'MULTI_NODE_SINGLE_WRITER')
    return 'MULTI_NODE_SINGLE_WRITER: who may write cannot be told apart on a block device';
  return undefined;
}

/** As {@link whyNotCapability}, with its mount flags. */
export function whyNotUse(capability: Capability): string | undefined {
  const { access } = capability;
  return whyNotCapability(capability) ?? (access.kind === 'mount' ? whyNotMountFlags(access.mountFlags) : undefined);
}

/**
 * BERTH_CAPABILITY_UNSUPPORTED unless every one can be honoured, BERTH_FIELD_INVALID for mount flags that nobody may
 * give; BERTH_FIELD_MISSING for an empty list.
 */
export function checkCapabilities(capabilities: readonly Capability[]): void {
  if (capabilities.length === 0) throw berthError('BERTH_FIELD_MISSING', { field: 'volume_capabilities' });
  const kinds = new Set(capabilities.map((one) => one.access.kind));
  if (kinds.size > 1)
    throw berthError('BERTH_CAPABILITY_UNSUPPORTED', { why: 'block and mount of one volume contradict each other' });
  const types = new Set(
    capabilities.flatMap(({ access }) => (access.kind === 'mount' && access.fsType ? [access.fsType] : [])),
  );
  if (types.size > 1)
    throw berthError('BERTH_CAPABILITY_UNSUPPORTED', {
      why: `filesystems ${[...types].join(' and ')} contradict each other`,
    });
  for (const { access } of capabilities) if (access.kind === 'mount') checkMountFlags('mount_flags', access.mountFlags);
  for (const capability of capabilities) {
    const why = whyNotCapability(capability);
    if (why !== undefined) throw berthError('BERTH_CAPABILITY_UNSUPPORTED', { why });
  }
}
