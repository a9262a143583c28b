/**
 * The programs `ceph`, `rbd` and `rados` as client.admin of one development cluster; nothing but src/dev and tests may
 * be admin.
 */
import type { Exec, ExecOptions } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { keyringOf, type Layout } from './layout.js';
import { cephPrograms } from './programs.js';

export interface Admin {
  /** Run and return standard output; BERTH_COMMAND_FAILED, DEADLINE. */
  ceph(args: readonly string[], deadline: Deadline, options?: Partial<ExecOptions>): Promise<string>;
  rbd(args: readonly string[], deadline: Deadline, options?: Partial<ExecOptions>): Promise<string>;
  rados(args: readonly string[], deadline: Deadline, options?: Partial<ExecOptions>): Promise<string>;
}

export function adminOf(exec: Exec, layout: Layout): Admin {
  const identity = ['-c', layout.conf, '--id', 'admin', '--keyring', keyringOf(layout, 'client.admin')];
  const programs = cephPrograms(exec);
  const as =
    (program: string): Admin['ceph'] =>
    async (args, deadline, options = {}) => {
      const { stdout } = await programs(program, [...identity, ...args], { ...options, deadline });
      return stdout;
    };
  return { ceph: as('ceph'), rbd: as('rbd'), rados: as('rados') };
}
