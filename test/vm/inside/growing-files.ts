/** Files of a filesystem that is to grow, and their sum, which no growth may change. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { ToolsToCut } from '../../integration/csi/tools-to-cut.js';
import { session } from './session.js';

/** What a command may take in emulation, in ms. */
export const PATIENCE_MS = 300_000;

const shell = async (script: string, directory: string): Promise<string> =>
  (await run('sh', ['-c', script, directory], { deadline: Deadline.after(PATIENCE_MS) })).stdout;

/** Twenty files of random bytes, written to the disk. @param kib of all of them together */
export const fill = (directory: string, kib: number): Promise<string> =>
  shell(
    `for i in $(seq 20); do head -c ${Math.floor((kib * 1024) / 20)} /dev/urandom >"$0/f$i"; done; sync`,
    directory,
  );

/** Of the contents of what {@link fill} wrote. */
export const sumOf = (directory: string): Promise<string> =>
  shell('cd "$0" && cat $(ls | grep ^f) | sha256sum', directory);

/** Tools that can be cut, which this process, and the drivers that it starts, find first. */
export async function cuttableTools(): Promise<ToolsToCut> {
  await mkdir(session.state, { recursive: true });
  const tools = await ToolsToCut.make(path.join(session.state, 'tools'));
  Object.assign(process.env, tools.environment);
  return tools;
}
