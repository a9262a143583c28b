/** What the monitors say of the cluster as a whole: `ceph health`, which `profile rbd` may ask. */
import type { ClusterHealth } from '../../../port.js';
import type { ClusterConnection } from '../cluster-connection.js';
import { field, monCommand } from '../mon-command.js';

/** Muted checks are left out, as an operator wants them. */
export async function readHealth(link: ClusterConnection): Promise<ClusterHealth> {
  const answer = await monCommand(link, { prefix: 'health' });
  const checks = Object.entries((field(answer, 'checks') ?? {}) as Readonly<Record<string, unknown>>);
  return {
    status: textOf(field(answer, 'status')),
    checks: checks
      .filter(([, check]) => field(check, 'muted') !== true)
      .map(([code, check]) => ({ code, says: textOf(field(field(check, 'summary'), 'message')) })),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
