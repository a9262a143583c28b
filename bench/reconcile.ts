/**
 * What a round of reconciliation costs a node: reading and deciding, with 1,000 mounts and 200 volumes against a
 * quarter of both.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../src/host/process/exec.js';
import { Deadline } from '../src/model/deadline.js';
import { figure, ms, print, times } from './figures.js';
import type { Cost } from './reconcile-node.js';

const PROGRAM = fileURLToPath(new URL('./reconcile-node.js', import.meta.url));
const SIZES = [50, 100, 200] as const;
/** Four times the volumes and mounts; the rest is noise. */
const LINEAR = 4 * 1.3;

async function costOf(how: 'written' | 'mounted', volumes: number): Promise<Cost> {
  const node = [process.execPath, PROGRAM, how, String(volumes)];
  // Mounts in a namespace of their own: no other process of this machine sees them,
  // and they end with it whatever happens.
  const [program = '', ...args] =
    how === 'mounted' ? ['unshare', '--mount', '--propagation', 'private', '--', ...node] : node;
  return JSON.parse((await run(program, args, { deadline: Deadline.after(300_000) })).stdout) as Cost;
}

export async function reconcileCost(): Promise<void> {
  for (const how of ['written', 'mounted'] as const) {
    print(
      `\nA round of reconciliation, nothing to do (${how === 'written' ? 'a mount table in a file' : 'real mounts'})`,
    );
    const whole: number[] = [];
    for (const volumes of SIZES) {
      const { mounts, gatherMs, decideMs, cpuMs, found } = await costOf(how, volumes);
      if (found > 0) throw new Error(`${found} acts and reports on a node where all is well`);
      figure(`${volumes} volumes, ${mounts} mounts: reading`, ms(gatherMs));
      figure(`${volumes} volumes, ${mounts} mounts: deciding`, ms(decideMs));
      figure(`${volumes} volumes, ${mounts} mounts: processor time`, ms(cpuMs));
      whole.push(cpuMs);
    }
    const ratio = (whole.at(-1) ?? NaN) / (whole[0] ?? NaN);
    figure('four times as much costs (processor time)', times(ratio), {
      text: `at most ${LINEAR.toFixed(1)}`,
      met: ratio <= LINEAR,
    });
  }
}
