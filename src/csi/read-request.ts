/**
 * From the contract's messages to Berth's own words: presence,
 * enums, sizes and secrets, each refused with the field's name.
 */
import { ACCESS_MODES, FILESYSTEMS, type Capability, type MountAccess } from '../model/capability.js';
import { berthError } from '../model/errors.js';
import { whyNotKey, whyNotUser } from '../model/cephx.js';
import { Secret } from '../model/secret.js';
import type { PublishVolume } from '../volume/node/publish-volume.js';
import type { Credentials } from '../volume/image/find-volume.js';
import type { SizeRange } from '../volume/image/volume-size.js';
import type { CapacityRange__Output } from './gen/csi/v1/CapacityRange.js';
import type { VolumeCapability__Output } from './gen/csi/v1/VolumeCapability.js';

const MAX_GID = 0xffff_ffff;
const STRANGE = 'it has letters in it that are not expected there';
const POD = 'csi.storage.k8s.io/pod';

/** The pod that kubelet names in the volume context (`podInfoOnMount`); undefined where it names none. */
export function readPod(context: Readonly<Record<string, string>>): PublishVolume['pod'] {
  const [namespace = '', name = '', uid = ''] = ['namespace', 'name', 'uid'].map((one) => context[`${POD}.${one}`]);
  return namespace === '' || name === '' || uid === '' ? undefined : { namespace, name, uid };
}

/** BERTH_FIELD_MISSING for the first of these fields (in the contract's spelling) that is empty. */
export function require(fields: Readonly<Record<string, string>>): void {
  for (const [field, value] of Object.entries(fields))
    if (value === '') throw berthError('BERTH_FIELD_MISSING', { field });
}

/** Undefined where the request names no secrets; BERTH_SECRETS_INVALID for half of them. */
export function readSecrets(secrets: Readonly<Record<string, string>>): Credentials | undefined {
  if (Object.keys(secrets).length === 0) return undefined;
  const { userID = '', userKey = '' } = secrets;
  if (userID === '' || userKey === '') {
    throw berthError('BERTH_SECRETS_INVALID', { why: `${userID === '' ? 'userID' : 'userKey'} is missing or empty` });
  }
  const whyNot = whyNotUser(userID) ?? (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(userID) ? undefined : STRANGE);
  if (whyNot !== undefined)
    throw berthError('BERTH_SECRETS_INVALID', { why: `userID is no cephx user name: ${whyNot}` });
  const key = userKey.trim();
  if (key === '') throw berthError('BERTH_SECRETS_INVALID', { why: 'userKey is missing or empty' });
  // It goes into option lists and key files, one line each; a key is base64 and nothing else.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key))
    throw berthError('BERTH_SECRETS_INVALID', { why: `userKey is no cephx key: ${whyNotKey(key) ?? STRANGE}` });
  return { user: userID, key: new Secret(key) };
}

export function readRange(range: CapacityRange__Output | null): SizeRange | undefined {
  if (range === null) return undefined;
  return { required: BigInt(range.requiredBytes), limit: BigInt(range.limitBytes) };
}

/** @param field the contract's name of it, for the error */
export function readCapability(
  capability: VolumeCapability__Output | null | undefined,
  field = 'volume_capability',
): Capability {
  if (capability === null || capability === undefined) throw berthError('BERTH_FIELD_MISSING', { field });
  const mode = ACCESS_MODES.find((one) => one === capability.accessMode?.mode);
  if (mode === undefined)
    throw berthError('BERTH_FIELD_INVALID', { field: `${field}.access_mode`, why: 'missing or unknown' });
  if (capability.block) return { mode, access: { kind: 'block' } };
  if (!capability.mount) throw berthError('BERTH_FIELD_MISSING', { field: `${field}.access_type` });
  const { fsType, mountFlags, volumeMountGroup } = capability.mount;
  if (!/^\d{0,10}$/.test(volumeMountGroup) || Number(volumeMountGroup) > MAX_GID)
    throw berthError('BERTH_FIELD_INVALID', { field: `${field}.mount.volume_mount_group`, why: 'it is no group id' });
  return { mode, access: { kind: 'mount', fsType: readFilesystem(fsType), mountFlags, group: volumeMountGroup } };
}

function readFilesystem(text: string): MountAccess['fsType'] {
  if (text === '') return undefined;
  const found = FILESYSTEMS.find((one) => one === text);
  if (found === undefined)
    throw berthError('BERTH_CAPABILITY_UNSUPPORTED', { why: `filesystem ${text}; known: ${FILESYSTEMS.join(', ')}` });
  return found;
}

export const readCapabilities = (capabilities: readonly VolumeCapability__Output[]): readonly Capability[] =>
  capabilities.map((one, index) => readCapability(one, `volume_capabilities[${index}]`));
