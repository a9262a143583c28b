/** Finds Berth's own directory: where package.json and proto/ lie, seen from src/, from dist/src/ and in an image. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { berthError } from './errors.js';

const CONTRACT = path.join('proto', 'csi.proto');

/**
 * The nearest directory above this file that holds proto/csi.proto.
 * BERTH_CONFIG_INVALID where the installation lacks it.
 */
export function packageRoot(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(directory, CONTRACT))) {
    const parent = path.dirname(directory);
    if (parent === directory) {
      throw berthError('BERTH_CONFIG_INVALID', { file: CONTRACT, why: 'not found in any directory above the program' });
    }
    directory = parent;
  }
  return directory;
}

/**
 * A program of ours that runs in a process of its own. Named from the root: the driver's files are bundled, so that
 * what lies beside a source file does not lie beside its code.
 * @param file below src/, as JavaScript
 */
export const programFile = (file: string): string => path.join(packageRoot(), 'dist', 'src', file);

/** The absolute path of the CSI contract. */
export const contractFile = (): string => path.join(packageRoot(), CONTRACT);

/** The `version` of Berth's package.json. */
export function packageVersion(): string {
  const file = path.join(packageRoot(), 'package.json');
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') {
    return parsed.version;
  }
  throw berthError('BERTH_CONFIG_INVALID', { file, why: 'has no version' });
}
