/** Is a kernel module there, loading it where that is possible? */
import { access } from 'node:fs/promises';
import type { Exec } from '../../host/exec.js';
import { Deadline } from '../../model/deadline.js';

/**
 * nbd makes a kernel thread for each of its devices. Killed on the way, modprobe leaves a module with fewer devices than its parameter
 * says.
 */
const MODPROBE_MS = 30_000;

const exists = async (file: string): Promise<boolean> => {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
};

/**
 * Undefined where `mark` (a sysfs path that the module makes) exists, loading the module first where it does not; else the reason.
 * `options` are module parameters, used only where the module was not loaded yet.
 */
export async function whyNotModule(
  exec: Exec,
  module: string,
  mark: string,
  options: readonly string[] = [],
): Promise<string | undefined> {
  if (await exists(mark)) return undefined;
  let why = '';
  try {
    await exec('modprobe', [module, ...options], { deadline: Deadline.after(MODPROBE_MS) });
  } catch (error) {
    // Its absence and its refusal are the same answer: no module.
    why = error instanceof Error ? ` (${error.message})` : '';
  }
  return (await exists(mark)) ? undefined : `the kernel has no ${module}${why}`;
}
