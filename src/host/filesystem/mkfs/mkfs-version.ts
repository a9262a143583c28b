/** Which mkfs there is: asked of the program itself, once in a process. */
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import type { Exec } from '../../process/exec.js';

/** `6.13` of `mkfs.xfs version 6.13.0`, `1.47` of `mke2fs 1.47.2 (1-Jan-2025)`. */
export type ToolVersion = readonly [major: number, minor: number];

const known = new WeakMap<Exec, Map<FilesystemType, Promise<ToolVersion | undefined>>>();

/** Undefined where it says none. No package changes under a running container. BERTH_COMMAND_MISSING, DEADLINE. */
export function mkfsVersion(exec: Exec, type: FilesystemType, deadline: Deadline): Promise<ToolVersion | undefined> {
  const versions = known.get(exec) ?? new Map<FilesystemType, Promise<ToolVersion | undefined>>();
  known.set(exec, versions);
  const asked = versions.get(type) ?? ask(exec, type, deadline);
  versions.set(type, asked);
  // Whoever could not be asked is asked again.
  asked.catch(() => versions.delete(type));
  return asked;
}

async function ask(exec: Exec, type: FilesystemType, deadline: Deadline): Promise<ToolVersion | undefined> {
  const { stdout, stderr } = await exec(`mkfs.${type}`, ['-V'], { deadline });
  return parseToolVersion(`${stdout}\n${stderr}`);
}

export function parseToolVersion(text: string): ToolVersion | undefined {
  const [, major, minor] = /\b(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

export const isAtLeast = (version: ToolVersion | undefined, [major, minor]: ToolVersion): boolean =>
  version !== undefined && (version[0] > major || (version[0] === major && version[1] >= minor));
