/**
 * What the API has of one kind, listed once, page by page, and then kept by a watch through expiry, disconnects and
 * restarts of the server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import { Expired, type Keep, type KubeApi, type WatchEvent } from './api.js';
import { IndexedObjects, type KeyOf } from './indexed-objects.js';
import { resourceName, type KubeObject, type Resource } from './objects.js';

export interface Tempo {
  /** What a page of a list may take, in ms; the whole list takes as long as its pages come. */
  readonly pageMs: number;
  /** How long the server may keep a watch, in s; up to as much again is added, so that not all end at once. */
  readonly watchSeconds: number;
  /** After this, in ms, all is listed anew: a watch may have missed something. */
  readonly resyncMs: number;
  /** The first pause after a failure and the longest, in ms. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  /** Without a watch for longer than this, in ms, the mirror is not fresh. */
  readonly staleMs: number;
}

export const TEMPO: Tempo = {
  pageMs: 60_000,
  watchSeconds: 240,
  resyncMs: 30 * 60_000,
  pauseMs: 500,
  longestPauseMs: 30_000,
  staleMs: 60_000,
};
/** How long after the server's own end of a watch a silent connection counts as dead, in ms. */
const SILENCE_MS = 30_000;
/** A watch that ended sooner than this, in ms, is followed by a pause. */
const SHORT_MS = 1_000;

/** @typeParam Index names of what its objects are looked up by, beside their names */
export class Mirror<T, Index extends string = never> {
  readonly #api: KubeApi;
  readonly #resource: Resource;
  readonly #keep: Keep<T>;
  readonly #keys: Readonly<Record<Index, KeyOf<T>>>;
  readonly #log: Logger;
  readonly #tempo: Tempo;
  readonly #stop = new AbortController();
  #items: IndexedObjects<T, Index>;
  #version = '';
  #listedAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  #watching = false;
  #failures = 0;
  #changes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    api: KubeApi,
    resource: Resource,
    { keep, keys }: { readonly keep: Keep<T>; readonly keys: Readonly<Record<Index, KeyOf<T>>> },
    { log, tempo = TEMPO }: { readonly log: Logger; readonly tempo?: Tempo },
  ) {
    this.#api = api;
    this.#resource = resource;
    this.#keep = keep;
    this.#keys = keys;
    this.#items = new IndexedObjects(keys);
    this.#log = log;
    this.#tempo = tempo;
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
  }

  values(): readonly T[] {
    return this.#items.values();
  }

  /** Those that are found by `key`; empty where there is none. */
  of(index: Index, key: string): readonly T[] {
    return this.#items.of(index, key);
  }

  get(name: string): T | undefined {
    return this.#items.get(name);
  }

  /** Rises with every list and every change: where it is the same, so is all that is kept. */
  get changes(): number {
    return this.#changes;
  }

  /** Listed, and watched now or a moment ago: old news must not be acted on. */
  get isFresh(): boolean {
    return this.#version !== '' && (this.#watching || performance.now() - this.#heardAt < this.#tempo.staleMs);
  }

  /** Resolves at the next change of freshness for the better; false where the deadline came first. */
  async whenFresh(deadline: Deadline): Promise<boolean> {
    if (this.isFresh) return true;
    return new Promise((resolve) => {
      const tell = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      // While the API is away nothing is heard for hours: who has gone must not be kept.
      const timer = setTimeout(() => {
        this.#waiting.delete(tell);
        resolve(this.isFresh);
      }, deadline.remaining());
      timer.unref();
      this.#waiting.add(tell);
    });
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#version === '' || performance.now() - this.#listedAt > this.#tempo.resyncMs) await this.#list();
        await this.#watch();
        this.#failures = 0;
      } catch (error) {
        await this.#afterFailure(error);
      }
    }
  }

  /** The old ones are shown until the last page is here. */
  async #list(): Promise<void> {
    const next = new IndexedObjects<T, Index>(this.#keys);
    let version = '';
    for await (const page of this.#api.pages(this.#resource, () => Deadline.after(this.#tempo.pageMs))) {
      if (this.#stop.signal.aborted) return;
      version = page.resourceVersion;
      for (const raw of page.items) {
        const kept = this.#keep(raw);
        if (kept !== undefined) next.set(raw.metadata.name, kept);
      }
    }
    this.#items = next;
    this.#changes += 1;
    this.#version = version;
    this.#listedAt = performance.now();
    this.#heard();
  }

  async #watch(): Promise<void> {
    const { watchSeconds } = this.#tempo;
    const timeoutSeconds = Math.ceil(watchSeconds * (1 + Math.random()));
    const silenceMs = timeoutSeconds * 1000 + SILENCE_MS;
    const onOpen = (): void => {
      this.#watching = true;
      this.#heard();
    };
    const options = { resourceVersion: this.#version, timeoutSeconds, silenceMs, signal: this.#stop.signal, onOpen };
    const begun = performance.now();
    try {
      await this.#api.watch(this.#resource, options, (event) => this.#take(event));
    } finally {
      this.#watching = false;
    }
    // A proxy that ends every watch at once must not be asked without a pause.
    if (performance.now() - begun < SHORT_MS) await this.#pause(this.#tempo.pauseMs);
  }

  #take({ type, object }: WatchEvent): void {
    const raw = object as KubeObject;
    const { name, resourceVersion } = raw.metadata;
    this.#version = resourceVersion;
    this.#failures = 0;
    this.#heard();
    if (type === 'BOOKMARK') return;
    const kept = type === 'DELETED' ? undefined : this.#keep(raw);
    if (kept === undefined && this.#items.get(name) === undefined) return;
    this.#changes += 1;
    if (kept === undefined) this.#items.delete(name);
    else this.#items.set(name, kept);
  }

  #heard(): void {
    this.#heardAt = performance.now();
    for (const tell of this.#waiting) tell();
    this.#waiting.clear();
  }

  async #afterFailure(error: unknown): Promise<void> {
    const resource = resourceName(this.#resource);
    if (error instanceof Expired) {
      // Not a failure of the server's: it only remembers a few minutes.
      this.#log.debug({ resource }, 'a watch has expired, listing anew');
      this.#version = '';
      // Twice in a row means that what is listed is already too old: wait, as for any failure.
      if (this.#failures === 0) {
        this.#failures = 1;
        return;
      }
    }
    this.#failures += 1;
    const { pauseMs, longestPauseMs } = this.#tempo;
    const pause = Math.min(longestPauseMs, pauseMs * 2 ** Math.min(this.#failures - 1, 16)) * (0.5 + Math.random() / 2);
    // A dropped connection is daily business; what lasts, or what somebody has to grant, is for the log.
    const isLoud = isBerthError(error, 'BERTH_KUBE_DENIED', 'BERTH_KUBE_UNAUTHENTICATED') || this.#failures === 5;
    this.#log[isLoud ? 'warn' : 'debug'](
      { resource, err: error, pauseMs: Math.round(pause) },
      'watch of Kubernetes failed',
    );
    await this.#pause(pause);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
  }
}
