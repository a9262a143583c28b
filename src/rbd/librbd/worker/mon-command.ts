/** Commands to the monitors, as `ceph <prefix>` sends them. */
import { check } from '../ceph-errors.js';
import type { ClusterConnection } from './cluster-connection.js';
import { bytesAt, withBytes, withCells } from '../foreign/c-memory.js';

export interface MonCommand {
  readonly prefix: string;
  readonly [argument: string]: string | number | readonly string[];
}

/** Its answer, parsed. @throws CephErrno, EACCES without the caps for it */
export function monCommand(link: ClusterConnection, command: MonCommand): Promise<unknown> {
  return monText(link, { ...command, format: 'json' }).then((answer) => JSON.parse(answer) as unknown);
}

/** For commands whose answer is for people, or none. @throws CephErrno */
export async function monAct(link: ClusterConnection, command: MonCommand): Promise<void> {
  await monText(link, command);
}

/** Its answer as it came. @throws CephErrno */
export function monText({ ceph: { rados }, cluster }: ClusterConnection, command: MonCommand): Promise<string> {
  const text = Buffer.from(JSON.stringify(command));
  return withBytes([text], ({ pointers }) =>
    withCells(4, async (cells) => {
      const out = [cells.at(0), cells.at(1), cells.at(2), cells.at(3)] as const;
      const result = await rados.monCommand.later(cluster, pointers, 1, null, 0, ...out);
      const answer = bytesAt(cells.u64(0), Number(cells.u64(1))).toString('utf8');
      rados.freeBuffer.now(cells.u64(0));
      rados.freeBuffer.now(cells.u64(2));
      check(result, `monitor command ${command.prefix}`);
      return answer;
    }),
  );
}

/** A member of what was parsed, undefined where there is none. */
export const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
