/**
 * Kata's runtimes as readers of a record, each by its own rules and version: what a guest would be given for a mount of
 * a container.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * What differs between the versions; the sources are kata-containers' `direct-volume/utils.go` and
 * `kata-types/src/mount.rs`.
 */
export interface Runtime {
  readonly name: string;
  readonly language: 'go' | 'rust';
  /** Go's `disable_block_device_use`: true by default since 3.26.0. */
  readonly gateClosed?: boolean;
  /** Go since 2.5 (#4018). */
  readonly fsGroup?: boolean;
  /** Go 4.x also asks the device (BLKROGET). */
  readonly asksDevice?: boolean;
  /** runtime-rs before 3.3.0 (#8620) wanted `volume_type` and `fs_type`. */
  readonly oldSpelling?: boolean;
  /** runtime-rs hands the record's options on only since 4.0. */
  readonly options?: boolean;
}

export const RUNTIMES: readonly Runtime[] = [
  { name: 'Go 2.4', language: 'go' },
  { name: 'Go 2.5', language: 'go', fsGroup: true },
  { name: 'Go 3.25', language: 'go', fsGroup: true },
  { name: 'Go 3.26 as shipped', language: 'go', fsGroup: true, gateClosed: true },
  { name: 'Go 3.26 with block devices allowed', language: 'go', fsGroup: true },
  { name: 'Go 4.1 with block devices allowed', language: 'go', fsGroup: true, asksDevice: true },
  { name: 'runtime-rs 3.2', language: 'rust', oldSpelling: true },
  { name: 'runtime-rs 3.3', language: 'rust' },
  { name: 'runtime-rs 4.1', language: 'rust', options: true },
];

/** A container's mount, as the runtime gets it from containerd, which has resolved symbolic links. */
export interface OciMount {
  readonly source: string;
  readonly readOnly: boolean;
}

export type Taken =
  | {
      readonly kind: 'device';
      readonly device: string;
      readonly fsType: string;
      readonly options: readonly string[];
      readonly readOnly: boolean;
      readonly fsGroup?: number;
    }
  /** The host's directory through virtio-fs: what the guard is for. */
  | { readonly kind: 'shared'; readonly why: string }
  | { readonly kind: 'error'; readonly why: string };

export interface Around {
  /** The directory of records. */
  readonly records: string;
  /** What the kernel says of the device (BLKROGET). */
  readonly deviceReadOnly: boolean;
}

/** `base64.URLEncoding` in Go, `general_purpose::URL_SAFE` in Rust: both padded. */
const nameOf = (source: string): string =>
  Buffer.from(source).toString('base64').replaceAll('+', '-').replaceAll('/', '_');

export function take(runtime: Runtime, { source, readOnly }: OciMount, around: Around): Taken {
  if (runtime.gateClosed === true) return { kind: 'shared', why: 'disable_block_device_use' };
  let text: string;
  try {
    text = readFileSync(path.join(around.records, nameOf(source), 'mountInfo.json'), 'utf8');
  } catch {
    return { kind: 'shared', why: 'no record' };
  }
  const read = runtime.language === 'go' ? readGo(text) : readRust(text, runtime.oldSpelling === true);
  if (typeof read === 'string') {
    // Go logs it and goes on with the directory; runtime-rs fails the container.
    return runtime.language === 'go' ? { kind: 'shared', why: read } : { kind: 'error', why: read };
  }
  return runtime.language === 'go' ? takeGo(runtime, read, around) : takeRust(runtime, read, readOnly, around);
}

interface Read {
  readonly device: string;
  readonly fsType: string;
  readonly options: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

const isTexts = (value: unknown): boolean => Object.values(value ?? {}).every((one) => typeof one === 'string');

/** encoding/json: what is missing is empty, what is unknown is skipped, a wrong type is an error. */
function readGo(text: string): Read | string {
  const value = JSON.parse(text) as Record<string, unknown>;
  const { device = '', fstype = '', options = [], metadata = {} } = value;
  if (typeof device !== 'string' || typeof fstype !== 'string') return 'cannot unmarshal into string';
  if (!Array.isArray(options) || !isTexts(options)) return 'cannot unmarshal options';
  if (typeof metadata !== 'object' || metadata === null || !isTexts(metadata)) return 'cannot unmarshal metadata';
  return { device, fsType: fstype, options: options as string[], metadata: metadata as Record<string, string> };
}

/** serde: required members by name. */
function readRust(text: string, oldSpelling: boolean): Read | string {
  const value = JSON.parse(text) as Record<string, unknown>;
  const [type, fsType] = oldSpelling ? ['volume_type', 'fs_type'] : ['volume-type', 'fstype'];
  for (const name of [type, 'device', fsType] as string[])
    if (typeof value[name] !== 'string') return `missing field \`${name}\``;
  if (!['directvol', 'spdkvol', 'spoolvol', 'vfiovol'].includes(value[type] as string))
    return `volume type ${String(value[type])} is invalid`;
  return { ...(readGo(text) as Read), fsType: value[fsType] as string };
}

function takeGo(runtime: Runtime, { device, fsType, options, metadata }: Read, around: Around): Taken {
  // The agent would try to bind-mount the device (#11296).
  if (options.some((one) => one === 'bind' || one === 'rbind')) return { kind: 'error', why: 'bind of a device' };
  const group = runtime.fsGroup === true ? metadata['fsGroup'] : undefined;
  if (group !== undefined && !(Number(group) >= 1 && Number(group) <= 0xffff_ffff))
    return { kind: 'error', why: `fsGroup ${group}` };
  const policy = metadata['fsGroupChangePolicy'];
  if (policy !== undefined && !['Always', 'OnRootMismatch'].includes(policy))
    return { kind: 'error', why: `fsGroupChangePolicy ${policy}` };
  // Since 4.0 the agent makes a new filesystem then, always.
  if (metadata['createFilesystem'] === 'true') return { kind: 'error', why: 'the data would be destroyed' };
  const isReadOnly = options.includes('ro') || (runtime.asksDevice === true && around.deviceReadOnly);
  const fsGroup = group === undefined ? {} : { fsGroup: Number(group) };
  return { kind: 'device', device, fsType, options, readOnly: isReadOnly, ...fsGroup };
}

function takeRust(runtime: Runtime, { device, fsType, options }: Read, ociReadOnly: boolean, around: Around): Taken {
  const used = runtime.options === true ? options.filter((one) => one !== 'bind' && one !== 'rbind') : [];
  return { kind: 'device', device, fsType, options: used, readOnly: ociReadOnly || around.deviceReadOnly };
}

/** What the Go runtime leaves beside a record when its sandbox takes it: an empty file named by the sandbox' id. */
export function noteSandbox(records: string, source: string, sandbox: string): void {
  writeFileSync(path.join(records, nameOf(source), sandbox), '', { mode: 0o600 });
}
