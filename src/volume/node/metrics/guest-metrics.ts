/**
 * How full the filesystems are that a guest alone has mounted. No guest is asked for it, for a scrape does not wait: it
 * is what they answered when the kubelet asked last.
 */
import type { JournalEntry } from '../../../journal/entry.js';
import type { Counters, Samples } from '../../../observe/metrics.js';
import type { GuestUsage, GuestUsages } from '../guest/guest-usages.js';

const AMOUNTS = ['total', 'used', 'available'] as const;

const GUEST: readonly (readonly [string, string, 'bytes' | 'inodes'])[] = [
  ['berth_volume_guest_bytes', 'Size and use of the filesystem, as the guest said last.', 'bytes'],
  ['berth_volume_guest_inodes', 'Inodes of the filesystem, as the guest said last.', 'inodes'],
];

export interface GuestMetricsParts {
  readonly counters: Pick<Counters, 'gauge'>;
  readonly guestUsages: Pick<GuestUsages, 'of'>;
}

/** @param entries the journal as it is now: of what is not in it nothing is shown */
export function showGuests(
  { counters, guestUsages }: GuestMetricsParts,
  entries: () => Promise<readonly JournalEntry[]>,
): void {
  const known = async (): Promise<ReadonlyMap<string, GuestUsage>> =>
    guestUsages.of(new Set((await entries()).map(({ volume }) => volume)));
  for (const [name, help, unit] of GUEST) {
    counters.gauge(name, {
      help,
      labels: ['volume', 'kind'],
      read: async () =>
        [...(await known())].flatMap(([volume, usage]) =>
          AMOUNTS.map((kind): Samples[number] => [{ volume, kind }, Number(usage[unit][kind])]),
        ),
    });
  }
  counters.gauge('berth_volume_guest_age_seconds', {
    help: 'For how long it has been known what the guest said last.',
    labels: ['volume'],
    read: async () => [...(await known())].map(([volume, { ageMs }]) => [{ volume }, Math.round(ageMs) / 1000]),
  });
}
