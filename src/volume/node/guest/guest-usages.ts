/** What guests said last of the filesystems that only they have mounted, for the metrics: asked for by the kubelet. */
import type { FilesystemUsage } from '../../../host/filesystem/filesystem-usage.js';

/** Far more than a node has at a time. Who left is forgotten at a scrape, and there may be none for months. */
const MOST = 1_024;

export interface GuestUsage extends FilesystemUsage {
  /** For how long it has been known, ms. */
  readonly ageMs: number;
}

export class GuestUsages {
  readonly #last = new Map<string, { readonly usage: FilesystemUsage; readonly at: number }>();
  readonly #now: () => number;

  /** @param now in ms, never backwards */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param usage undefined where no guest says anything of it any more */
  keep(volume: string, usage: FilesystemUsage | undefined): void {
    // Those that were told of last come last.
    this.#last.delete(volume);
    if (usage === undefined) return;
    this.#last.set(volume, { usage, at: this.#now() });
    const [oldest] = this.#last.keys();
    if (this.#last.size > MOST && oldest !== undefined) this.#last.delete(oldest);
  }

  /** Of these volumes, as far as their guests said something; all others are forgotten. */
  of(volumes: ReadonlySet<string>): ReadonlyMap<string, GuestUsage> {
    const now = this.#now();
    const known = new Map<string, GuestUsage>();
    for (const [volume, { usage, at }] of this.#last) {
      if (volumes.has(volume)) known.set(volume, { ...usage, ageMs: now - at });
      else this.#last.delete(volume);
    }
    return known;
  }
}
