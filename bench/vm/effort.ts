/** What a load cost: how busy the processors were, and what reached the disk. */
import type { Measure } from './loads.js';

/** What a load did. */
export interface Done {
  /** In the unit of its name. */
  readonly perSecond: number;
  /** Of which the costs are told: requests, MiB, files or statements. */
  readonly operations: number;
}

/** Runs one load, and keeps what it did and what it cost. */
export type Meter = (what: Measure, run: () => Promise<Done>) => Promise<void>;

/** Since the boot, in ticks of all processors. */
export interface Processors {
  readonly busy: number;
  readonly all: number;
}

/** What reached a disk. Its count of writes is of no use: an empty flush may be one of them. */
export interface Traffic {
  readonly readKiB: number;
  readonly writtenKiB: number;
  readonly flushes: number;
}

/** Programs of the host that carry a guest's disk. */
export const PROGRAMS = ['QEMU', 'virtiofsd', 'mapper', 'OSD'] as const;
export type Program = (typeof PROGRAMS)[number];

/** Counters at one moment. */
export interface Counters {
  readonly ms: number;
  /** Undefined where no guest runs the load. */
  readonly guest: Processors | undefined;
  readonly host: Processors;
  /** Processor time so far, ms. */
  readonly spent: Readonly<Record<Program, number>>;
  readonly disk: Traffic;
}

export interface Effort {
  /** Share of the time that they were not idle, 0 to 1. */
  readonly guest: number | undefined;
  readonly host: number;
  /** How many processors each kept busy. */
  readonly programs: Readonly<Record<Program, number>>;
  /** Of the disk, an operation of the load. */
  readonly traffic: Traffic;
}

const share = (before: Processors, after: Processors): number =>
  (after.busy - before.busy) / Math.max(1, after.all - before.all);

/** What was spent between two moments, in which the load did so many operations. */
export function effortOf(before: Counters, after: Counters, operations: number): Effort {
  const ms = after.ms - before.ms;
  const each = (name: keyof Traffic): number => (after.disk[name] - before.disk[name]) / operations;
  const cores = (name: Program): number => (after.spent[name] - before.spent[name]) / ms;
  return {
    guest: before.guest && after.guest && share(before.guest, after.guest),
    host: share(before.host, after.host),
    programs: { QEMU: cores('QEMU'), virtiofsd: cores('virtiofsd'), mapper: cores('mapper'), OSD: cores('OSD') },
    traffic: { readKiB: each('readKiB'), writtenKiB: each('writtenKiB'), flushes: each('flushes') },
  };
}

/** Of /proc/stat's first line: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)). */
export function processorsOf(stat: string): Processors {
  const [, ...fields] = (/^cpu +.*$/m.exec(stat)?.[0] ?? '').split(/ +/).map(Number);
  const all = fields.slice(0, 8).reduce((a, b) => a + b, 0);
  return { busy: all - (fields[3] ?? NaN) - (fields[4] ?? NaN), all };
}

/** Of /sys/block/NAME/stat: sectors of 512 bytes, and flushes (Documentation/block/stat.rst of Linux). */
export function trafficOf(stat: string): Traffic {
  const fields = stat.trim().split(/\s+/).map(Number);
  const [read = NaN, written = NaN, flushes = NaN] = [2, 6, 15].map((at) => fields[at] ?? NaN);
  return { readKiB: read / 2, writtenKiB: written / 2, flushes };
}

const OTHERS: ReadonlyMap<string, Program> = new Map([
  ['virtiofsd', 'virtiofsd'],
  ['qemu-storage-daemon', 'mapper'],
  ['rbd-nbd', 'mapper'],
  ['ceph-osd', 'OSD'],
]);

/** Which of our programs a command line is, if it is about this directory. */
export function programOf(commandLine: string, directory: string): Program | undefined {
  if (!commandLine.includes(directory)) return undefined;
  const name = (commandLine.split('\0')[0] ?? '').split('/').at(-1) ?? '';
  if (name.startsWith('qemu-system-')) return 'QEMU';
  return OTHERS.get(name);
}
