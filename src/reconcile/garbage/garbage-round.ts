/** The controller's own look for what nothing explains: it removes nothing, and says what there is. */
import type { Note } from '../../kube/events.js';
import type { Logger } from '../../observe/log.js';
import type { Counters, Samples } from '../../observe/metrics.js';
import { findGarbage, type GarbageParts, type GarbageReport } from '../../volume/controller/garbage/find-garbage.js';
import type { Garbage } from '../../volume/controller/garbage/garbage.js';
import { changesBetween } from '../changes.js';

export interface GarbageRoundParts {
  readonly garbage: GarbageParts;
  readonly announce: (note: Note) => void;
  readonly counters: Pick<Counters, 'gauge'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export const GARBAGE_METRIC = 'berth_garbage';

/** What has no time of its own counts only where two rounds have seen it. */
export class GarbageRound {
  readonly #parts: GarbageRoundParts;
  #seen: ReadonlySet<string> = new Set();
  #told: readonly Garbage[] = [];

  constructor(parts: GarbageRoundParts) {
    this.#parts = parts;
    const help = 'Images, snapshots and records that nothing explains, by kind, as the last round found them.';
    const read = (): Samples => [...countsOf(this.#told)].map(([kind, n]) => [{ kind }, n]);
    parts.counters.gauge(GARBAGE_METRIC, { help, labels: ['kind'], read });
  }

  /** Fails only where not even the clusters file can be read. */
  async round(stopped: () => boolean): Promise<GarbageReport> {
    const { garbage, announce, log } = this.#parts;
    const report = await findGarbage(garbage, stopped);
    if (stopped()) return report;
    const sure = report.found.filter(({ end }) => !('isDoubtful' in end));
    const next = sure.filter((one) => one.since !== undefined || this.#seen.has(keyOf(one)));
    this.#seen = new Set(report.found.map(keyOf));
    const { came, gone } = changesBetween(this.#told, next, keyOf);
    for (const { kind, cluster, where, since, says } of came) log.warn({ kind, cluster, where, since }, says);
    for (const { kind, cluster, where } of gone) log.info({ kind, cluster, where }, 'it is explained, or gone, by now');
    for (const why of report.leftOut) log.info({ why }, 'not all was looked at for what nothing explains');
    this.#told = next;
    if (next.length > 0)
      announce({ kind: 'Warning', reason: 'Garbage', message: summaryOf(next), about: { driver: true } });
    return report;
  }
}

const keyOf = ({ kind, cluster, where }: Garbage): string => JSON.stringify([kind, cluster, where]);

function countsOf(found: readonly Garbage[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function summaryOf(found: readonly Garbage[]): string {
  const kinds = [...countsOf(found)].map(([kind, count]) => `${count} ${kind}`).join(', ');
  return `nothing explains these in Ceph: ${kinds}; \`berth garbage\` lists them`;
}
