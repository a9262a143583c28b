/** What of a request may be seen: everything but the fields that the contract marks csi_secret, and the mount flags. */
import type { Field, Type } from 'protobufjs';
import protobuf from 'protobufjs';

type Plain = Readonly<Record<string, unknown>>;

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null;

const isSecret = ({ options }: Field): boolean =>
  options?.['(csi_secret)'] === true || options?.['(csi.v1.csi_secret)'] === true;

// CSI 1.12 says in words, not by option, that mount flags may
// be sensitive (a cifs or ceph mount carries its key there).
const isMountFlags = ({ parent, name }: Field): boolean =>
  parent?.fullName === '.csi.v1.VolumeCapability.MountVolume' && name === 'mountFlags';

/** A copy of `message` without secrets, at any depth; fields that the contract does not know are left out too. */
export function redact(type: Type, message: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  if (!isPlain(message)) return copy;
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === undefined || value === null || isSecret(field) || isMountFlags(field)) continue;
    copy[field.name] = copyOf(field, value);
  }
  return copy;
}

function copyOf(field: Field, value: unknown): unknown {
  const nested = field.resolve().resolvedType;
  if (!(nested instanceof protobuf.Type)) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => redact(nested, one));
  if (field.map && isPlain(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, redact(nested, one)]));
  }
  return redact(nested, value);
}

/** Values shorter than this are user names and the like, which an error text should show; a cephx key has 40. */
const SHORTEST_KEY = 24;

/** `text` with every long secret value of `message` blotted out: the last net below an error that quotes one. */
export function blot(text: string, type: Type, message: unknown): string {
  return secretValues(type, message).reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}

function secretValues(type: Type, message: unknown): string[] {
  if (!isPlain(message)) return [];
  return type.fieldsArray.flatMap((field) => {
    const value = message[field.name];
    if (isSecret(field)) return strings(value).filter((one) => one.length >= SHORTEST_KEY);
    const nested = field.resolve().resolvedType;
    if (!(nested instanceof protobuf.Type) || !isPlain(value)) return [];
    const many = Array.isArray(value) || field.map ? Object.values(value) : [value];
    return many.flatMap((one) => secretValues(nested, one));
  });
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return isPlain(value) ? Object.values(value).flatMap(strings) : [];
}
