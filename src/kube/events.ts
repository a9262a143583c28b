/**
 * Writes what Berth has to say as Events beside the objects it is about:
 * seldom, bounded, and never at its caller's cost.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Announcement } from '../attachment/node-state.js';
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import type { Logger } from '../observe/log.js';
import type { KubeApi } from './api.js';
import { EVENTS } from './objects.js';

/** What an Event is about, as Kubernetes refers to objects. */
export interface Reference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** Finds the object in the API; undefined where there is none. */
export type Finds = (about: Note['about'], deadline: Deadline) => Promise<readonly Reference[]>;

/** An announcement that may also be about an attachment of the API, or about our own CSIDriver as a whole. */
export type Note = Omit<Announcement, 'about'> & {
  readonly about: Announcement['about'] & {
    readonly attachment?: { readonly name: string; readonly uid: string };
    readonly driver?: true;
  };
};

/** The same is said again after this, in ms; an Event lives an hour. */
const AGAIN_MS = 5 * 60_000;
/**
 * Events in a burst, and how fast the next ones may follow, in ms each: what client-go's recorders do to spare the API.
 */
const BURST = 25;
const REFILL_MS = 3_000;
/** How many Events may wait to be written. What comes then is left to the log. */
const QUEUE = 100;
const WRITE_MS = 10_000;
/** What the API allows of a note, in bytes. */
const LONGEST_NOTE = 1024;
/** Where Events about objects without a namespace live. */
const NAMESPACE = 'default';

interface Said {
  readonly at: number;
  readonly count: number;
}

export class Events {
  readonly #api: KubeApi;
  readonly #finds: Finds;
  readonly #log: Logger;
  readonly #by: string;
  readonly #said = new Map<string, Said>();
  readonly #queue: Note[] = [];
  #tokens = BURST;
  #filledAt = performance.now();
  #writing = false;
  #stopped = false;

  /** @param by the driver's name, as Events show it */
  constructor(api: KubeApi, by: string, finds: Finds, log: Logger) {
    this.#api = api;
    this.#by = by;
    this.#finds = finds;
    this.#log = log;
  }

  /** Returns at once; what cannot be written is logged. */
  readonly announce = (note: Note): void => {
    const key = keyOf(note);
    const before = this.#said.get(key);
    if (this.#stopped || (before !== undefined && performance.now() - before.at < AGAIN_MS)) return;
    if (this.#queue.length >= QUEUE) {
      this.#log.warn({ reason: note.reason }, 'too many Events are waiting: this one is not written');
      return;
    }
    this.#said.set(key, { at: performance.now(), count: (before?.count ?? 0) + 1 });
    this.#forgetOld();
    this.#queue.push(note);
    if (!this.#writing) void this.#drain();
  };

  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    for (let note = this.#queue.shift(); note !== undefined; note = this.#queue.shift()) {
      await this.#turn();
      try {
        await this.#write(note);
      } catch (error) {
        const isLoud = isBerthError(error, 'BERTH_KUBE_DENIED');
        this.#log[isLoud ? 'warn' : 'info']({ reason: note.reason, err: error }, 'an Event could not be written');
      }
    }
    this.#writing = false;
  }

  async #turn(): Promise<void> {
    const now = performance.now();
    this.#tokens = Math.min(BURST, this.#tokens + (now - this.#filledAt) / REFILL_MS);
    this.#filledAt = now;
    this.#tokens -= 1;
    const wait = this.#tokens < 0 ? -this.#tokens * REFILL_MS : 0;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref());
  }

  async #write(note: Note): Promise<void> {
    const deadline = Deadline.after(WRITE_MS);
    const [regarding, related] = await this.#finds(note.about, deadline);
    if (regarding === undefined) {
      this.#log.debug({ reason: note.reason, about: note.about }, 'nothing in the API to attach an Event to');
      return;
    }
    // The name says what it is about, so that a second controller that sees the same writes no second Event.
    const name = `berth-${digest([regarding.uid, note.reason, related?.uid ?? ''].join(' '))}`;
    const now = `${new Date().toISOString().slice(0, -1)}000Z`;
    const made = await this.#api.create(
      EVENTS,
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name, namespace: NAMESPACE },
        eventTime: now,
        reportingController: this.#by,
        reportingInstance: `${this.#by}-${hostname()}`.slice(0, 128),
        action: note.reason,
        reason: note.reason,
        type: note.kind,
        note: bounded(note.message),
        regarding,
        ...(related === undefined ? {} : { related }),
      },
      deadline,
    );
    if (made) return;
    const count = Math.max(2, this.#said.get(keyOf(note))?.count ?? 2);
    await this.#api.patch(EVENTS, name, { series: { count, lastObservedTime: now } }, deadline, NAMESPACE);
  }

  #forgetOld(): void {
    for (const [key, { at }] of this.#said) if (performance.now() - at > 12 * AGAIN_MS) this.#said.delete(key);
  }
}

const keyOf = ({ reason, about }: Note): string =>
  [reason, about.volume, about.node, about.attachment?.name].map((one) => one ?? '').join(' ');
const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 20);

function bounded(text: string): string {
  if (Buffer.byteLength(text) <= LONGEST_NOTE) return text;
  // A cut inside of a character would leave a mark of three bytes in its place.
  return `${Buffer.from(text)
    .subarray(0, LONGEST_NOTE - 8)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')} …`;
}
