/** What the monitors say of the cluster as a whole: `ceph health detail`, which `profile rbd` may ask. */
import type { ClusterHealth, HealthCheck, PlacementGroup } from '../../../port.js';
import type { ClusterConnection } from '../cluster-connection.js';
import { field, monCommand } from '../mon-command.js';

/** As the monitors begin a line about one: the number of its pool, a dot, its own number in hex. */
const GROUP = /^pg (\d+)\.([0-9a-f]+) /;
const POOL = /^pool '([^']+)'/;

interface Pool {
  readonly name: string;
  readonly groups: number;
}

/** Muted checks are left out, as an operator wants them. */
export async function readHealth(link: ClusterConnection): Promise<ClusterHealth> {
  const answer = await monCommand(link, { prefix: 'health', detail: 'detail' });
  const told = Object.entries((field(answer, 'checks') ?? {}) as Readonly<Record<string, unknown>>)
    .filter(([, check]) => field(check, 'muted') !== true)
    .map(([code, check]) => ({ code, says: messageOf(field(check, 'summary')), lines: linesOf(check) }));
  const numbers = new Set(told.flatMap(({ lines }) => lines.flatMap((line) => GROUP.exec(line)?.[1] ?? [])));
  const pools = await poolsOf(link, numbers);
  return {
    status: textOf(field(answer, 'status')),
    checks: told.map(({ code, says, lines }) => checkOf(code, says, lines, pools)),
  };
}

function checkOf(code: string, says: string, lines: readonly string[], pools: ReadonlyMap<string, Pool>): HealthCheck {
  const groups: PlacementGroup[] = [];
  const named = new Set<string>();
  const detail = lines.map((line) => {
    const [, full] = POOL.exec(line) ?? [];
    const [start = '', number = '', seed = ''] = GROUP.exec(line) ?? [];
    const pool = pools.get(number);
    if (full !== undefined) named.add(full);
    if (pool === undefined) return line;
    named.add(pool.name);
    groups.push({ id: `${number}.${seed}`, seed: Number.parseInt(seed, 16), pool: pool.name, of: pool.groups });
    return `${start}of pool ${pool.name} ${line.slice(start.length)}`;
  });
  return { code, says, detail, pools: [...named], groups };
}

/** Nothing is asked where no number is to be told; one that has gone meanwhile is missing. @throws CephErrno */
async function poolsOf(link: ClusterConnection, numbers: ReadonlySet<string>): Promise<ReadonlyMap<string, Pool>> {
  const pools = new Map<string, Pool>();
  if (numbers.size === 0) return pools;
  const all = await monCommand(link, { prefix: 'osd lspools' });
  for (const one of Array.isArray(all) ? (all as readonly unknown[]) : []) {
    const [number, name] = [String(field(one, 'poolnum')), textOf(field(one, 'poolname'))];
    if (!numbers.has(number)) continue;
    const answer = await monCommand(link, { prefix: 'osd pool get', pool: name, var: 'pg_num' }).catch(() => undefined);
    const groups = field(answer, 'pg_num');
    if (typeof groups === 'number') pools.set(number, { name, groups });
  }
  return pools;
}

function linesOf(check: unknown): readonly string[] {
  const detail = field(check, 'detail');
  return Array.isArray(detail) ? detail.map(messageOf) : [];
}

const messageOf = (value: unknown): string => textOf(field(value, 'message'));
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
