/** What a filesystem's tool said when it failed, as an error. */
import type { FilesystemType } from '../../model/capability.js';
import { berthError } from '../../model/errors.js';
import type { ExecResult } from '../process/exec.js';

const WHY_SHOWN = 300;

/** Several lines of a tool as one, cut where it becomes long. */
export const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, WHY_SHOWN);

/** The tool's complaint: some print it to standard output. */
export const complaint = ({ stdout, stderr }: ExecResult): string => oneLine(stderr === '' ? stdout : stderr);

/** @param path the device, or where it is mounted */
export const growError = (fs: FilesystemType, path: string, why: string): Error =>
  berthError('BERTH_FILESYSTEM_GROW_FAILED', { fs, path, why });
