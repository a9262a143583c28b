/** The controller's look for what nothing explains: it says so, and removes nothing. */
import { Rounds } from '../../model/rounds.js';
import { askListedContents } from '../../reconcile/garbage/ask-contents.js';
import { askWatchedVolumes } from '../../reconcile/garbage/ask-volumes.js';
import { GarbageRound } from '../../reconcile/garbage/garbage-round.js';
import type { Loop, LoopParts } from './loop.js';

/** Between two looks for what nothing explains, in ms; and before the first, when others are busy with their start. */
const GARBAGE_MS = 3_600_000;
const GARBAGE_FIRST_MS = 300_000;

export function garbageOf({ dependencies, controller }: LoopParts): Loop | undefined {
  const { kube, log, options, counters } = dependencies;
  if (controller === undefined || options.reconcileInterval === 0) return undefined;
  const announce = kube?.announce ?? (() => undefined);
  const askContents = askListedContents(dependencies);
  const garbage = { ...controller, askVolumes: askWatchedVolumes(dependencies), askContents };
  const search = new GarbageRound({ garbage, announce, counters, log });
  const round = async (): Promise<void> => {
    try {
      await search.round(() => rounds.stopped);
    } catch (error) {
      log.warn({ err: error }, 'what nothing explains could not be looked for');
    }
  };
  const rounds: Rounds = new Rounds(round, { everyMs: GARBAGE_MS, jitter: 0.1, stopMs: 5_000 });
  let first: NodeJS.Timeout | undefined;
  return {
    start: () => {
      first = setTimeout(() => rounds.start(), GARBAGE_FIRST_MS);
      first.unref();
    },
    stop: () => {
      clearTimeout(first);
      return rounds.stop();
    },
  };
}
