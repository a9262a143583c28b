/** What a round may decide: acts on what is ours, and reports of what a person should know. */
import type { JournalEntry } from '../journal/entry.js';
import type { Mapping } from '../rbd/mapping/mapper.js';
import type { KubeletVolume } from './node-facts.js';

export type RecoveryAct = {
  /** The volume's handle; undefined for a mapping that can have none. */
  readonly volume: string | undefined;
  /** The evidence, for the log. */
  readonly why: string;
} & (
  | {
      /** `complete` what an unstage began, `undo` what a stage began, `forget` what the kernel has nothing of. */
      readonly kind: 'complete' | 'undo' | 'forget' | 'give back' | 'reattach';
      readonly entry: JournalEntry;
    }
  | { readonly kind: 'drop'; readonly mapping: Mapping }
  | { readonly kind: 'clear'; readonly leftover: KubeletVolume }
);

export interface NodeReport {
  /** A volume, device, file or directory. */
  readonly subject: string;
  /** `ours` and not as it should be; `foreign` and never touched; `unsure`: left alone because it cannot be told. */
  readonly kind: 'ours' | 'foreign' | 'unsure';
  readonly what: string;
  /** What a person can do; empty where there is nothing to do but wait. */
  readonly todo: string;
}

export interface Decisions {
  readonly acts: readonly RecoveryAct[];
  readonly reports: readonly NodeReport[];
}

/** Collects them in the order in which they are made. */
export class Decided implements Decisions {
  readonly acts: RecoveryAct[] = [];
  readonly reports: NodeReport[] = [];

  report(subject: string, kind: NodeReport['kind'], what: string, todo = ''): void {
    this.reports.push({ subject, kind, what, todo });
  }
}
