/**
 * The list of all volumes as it was a moment ago, made when somebody asks for it and the API has changed. However many
 * ask, it takes at most a twentieth of the process' time; nobody who looks costs nothing.
 */
import { eachInSlices } from '../../diagnosis/volumes/in-slices.js';
import { WATCHED_STATES, type WatchedState, type WatchedVolume } from '../../diagnosis/volumes/watched-volumes.js';

export interface ListingParts {
  /** All volumes in the order in which they are shown. */
  readonly read: () => Promise<readonly WatchedVolume[]>;
  /** Says something else after every change. */
  readonly version: () => string;
  /** False where the API does not answer, and what is known may be old. */
  readonly isFresh: () => Promise<boolean>;
  /** In ms, of a clock that never goes back. */
  readonly now: () => number;
}

export interface Listing {
  /** Another one for each that is made. */
  readonly id: number;
  readonly volumes: readonly WatchedVolume[];
  readonly counts: Readonly<Record<WatchedState, number>>;
  /** In alphabetical order. */
  readonly namespaces: readonly string[];
  readonly nodes: readonly string[];
}

/** Between two lists at least, in ms; and so many times what one takes. */
const REST_MS = 2_000;
const REST_TIMES = 20;
/** After this, without anybody who asks, it is forgotten, in ms. */
const IDLE_MS = 60_000;

interface Kept {
  readonly listing: Listing;
  readonly version: string;
  readonly goodUntil: number;
}

export class VolumeListing {
  readonly #parts: ListingParts;
  #kept: Kept | undefined;
  #running: Promise<Listing> | undefined;
  #made = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(parts: ListingParts) {
    this.#parts = parts;
  }

  /** Errors of `read`. */
  async current(): Promise<Listing> {
    this.#forgetWhenIdle();
    const { now, version } = this.#parts;
    const kept = this.#kept;
    if (kept !== undefined && (now() < kept.goodUntil || version() === kept.version)) return kept.listing;
    this.#running ??= this.#make().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  isFresh(): Promise<boolean> {
    return this.#parts.isFresh();
  }

  stop(): void {
    clearTimeout(this.#idle);
    this.#kept = undefined;
  }

  async #make(): Promise<Listing> {
    const { now, version, read } = this.#parts;
    // Before it is read: what changes meanwhile is for the next one.
    const [begun, known] = [now(), version()];
    const listing = await listingOf((this.#made += 1), await read());
    const rest = Math.max(REST_MS, REST_TIMES * (now() - begun));
    this.#kept = { listing, version: known, goodUntil: now() + rest };
    return listing;
  }

  #forgetWhenIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.#kept = undefined;
    }, IDLE_MS);
    this.#idle.unref();
  }
}

async function listingOf(id: number, volumes: readonly WatchedVolume[]): Promise<Listing> {
  const counts = Object.fromEntries(WATCHED_STATES.map((state) => [state, 0])) as Record<WatchedState, number>;
  const [namespaces, nodes] = [new Set<string>(), new Set<string>()];
  await eachInSlices(volumes, ({ claim, state, nodes: at }) => {
    counts[state] += 1;
    if (claim !== undefined) namespaces.add(claim.slice(0, claim.indexOf('/')));
    for (const node of at) nodes.add(node);
  });
  return { id, volumes, counts, namespaces: [...namespaces].sort(), nodes: [...nodes].sort() };
}
