/**
 * Whether I/O of a block device flows, without any I/O: requests wait in it and none has ended for a while. One reading
 * of its counters cannot tell that, so a device that was asked for is read again every few seconds until nobody asks
 * any more.
 */
import path from 'node:path';
import { ioCountersIn, type IoCounters } from './io-counters.js';
import { readAttribute } from './kernel-attribute.js';

/**
 * Columns of /sys/class/block/X/stat (Documentation/block/stat.rst): ended reads, writes, discards, flushes; in flight.
 */
const ENDED = [0, 4, 11, 15];
const IN_FLIGHT = 8;
/** Between two readings, in ms. */
const EVERY_MS = 5_000;
/** The kubelet asks every minute; a device that nobody asked for this long is forgotten, in ms. */
const FORGET_MS = 5 * 60_000;

interface Watched {
  ended: string;
  /** `performance.now()` of the last reading that found it idle or moving. */
  moved: number;
  asked: number;
}

export interface IoState {
  readonly inFlight: number;
  /** For how long none of them has ended, as far as was watched, in ms; 0 where nothing waits. */
  readonly stalledMs: number;
  readonly counters: IoCounters;
}

export class IoWatch {
  readonly #sysRoot: string;
  readonly #devices = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(sysRoot = '/sys') {
    this.#sysRoot = sysRoot;
  }

  /** The state of `/dev/rbd0` now, and from now on under watch; undefined where there is no such device. */
  state(device: string): IoState | undefined {
    const name = path.basename(device);
    const state = this.#read(name);
    const watched = this.#devices.get(name);
    if (watched !== undefined) watched.asked = performance.now();
    if (this.#timer === undefined && this.#devices.size > 0) {
      this.#timer = setInterval(() => this.#round(), EVERY_MS);
      this.#timer.unref();
    }
    return state;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#devices.clear();
  }

  #round(): void {
    const now = performance.now();
    for (const [name, { asked }] of this.#devices) {
      if (now - asked > FORGET_MS) this.#devices.delete(name);
      else this.#read(name);
    }
    if (this.#devices.size === 0) this.stop();
  }

  #read(name: string): IoState | undefined {
    const text = readAttribute(path.join(this.#sysRoot, 'class/block', name, 'stat'));
    if (text === undefined) {
      this.#devices.delete(name);
      return undefined;
    }
    const columns = text.trim().split(/\s+/);
    const inFlight = Number(columns[IN_FLIGHT] ?? 0);
    // Older kernels have no columns for discards and flushes.
    const ended = ENDED.map((column) => columns[column] ?? '').join(' ');
    const now = performance.now();
    const before = this.#devices.get(name);
    const moves = inFlight === 0 || before?.ended !== ended;
    const moved = moves ? now : before.moved;
    this.#devices.set(name, { ended, moved, asked: before?.asked ?? now });
    return { inFlight, stalledMs: now - moved, counters: ioCountersIn(columns) };
  }
}
