/** What a command is run with: parts that are made for it and ended after it, and the standard output. */
import type { ExitCode } from '../../cli/exit-codes.js';
import { createLog } from '../../observe/log.js';
import type { Options } from '../../options/options.js';
import { makeDependencies, type Dependencies } from '../dependencies.js';

export const print = (text: string): void => void process.stdout.write(text);

/** @param effects `records: false` for a command that changes nothing in a cluster, not even its registry's mark */
export async function withDependencies(
  options: Options,
  command: (dependencies: Dependencies) => Promise<ExitCode>,
  effects: { readonly records?: boolean } = {},
): Promise<ExitCode> {
  const dependencies = await makeDependencies(options, createLog('silent'), effects);
  try {
    return await command(dependencies);
  } finally {
    dependencies.kube?.close();
    await Promise.all([dependencies.rbd.close(), dependencies.longWork.close()]);
  }
}
