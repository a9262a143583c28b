/** Is a kernel module there, loading it where that is possible? */
import { existsSync } from 'node:fs';
import type { Exec } from '../../host/process/exec.js';
import { Deadline } from '../../model/deadline.js';

/**
 * nbd makes a kernel thread for each of its devices. Killed on the way, modprobe leaves a module with fewer devices
 * than its parameter says.
 */
const MODPROBE_MS = 30_000;

/**
 * How long a module that could not be loaded is not tried again, ms: on a node without krbd every stage would pay for
 * that.
 */
const RETRY_MS = 60_000;

/** By mark: why the module could not be loaded, and until when that is believed. */
const refused = new Map<string, { readonly why: string; readonly until: number }>();
/** By mark: what loads it now. Hundreds of stages that begin at once wait for the same one. */
const loading = new Map<string, Promise<string | undefined>>();

/**
 * Undefined where `mark` (a sysfs path that the module makes) exists, loading the module first where it does not; else
 * the reason. `options` are module parameters, used only where the module was not loaded yet.
 */
export async function whyNotModule(
  exec: Exec,
  module: string,
  mark: string,
  options: readonly string[] = [],
): Promise<string | undefined> {
  if (existsSync(mark)) return undefined;
  const before = refused.get(mark);
  if (before !== undefined && performance.now() < before.until) return before.why;
  const asked = loading.get(mark) ?? load(exec, module, mark, options).finally(() => loading.delete(mark));
  loading.set(mark, asked);
  return asked;
}

async function load(exec: Exec, module: string, mark: string, options: readonly string[]): Promise<string | undefined> {
  let why = '';
  try {
    await exec('modprobe', [module, ...options], { deadline: Deadline.after(MODPROBE_MS) });
  } catch (error) {
    // Its absence and its refusal are the same answer: no module.
    why = error instanceof Error ? ` (${error.message})` : '';
  }
  if (existsSync(mark)) return undefined;
  const answer = `the kernel has no ${module}${why}`;
  refused.set(mark, { why: answer, until: performance.now() + RETRY_MS });
  return answer;
}
