/**
 * Loaded before a driver (`--import`): at each SIGUSR2 it writes into the file BERTH_BENCH_WATCH for how long the event
 * loop had no turn at most since the last one, and the highest resident memory of the process.
 */
import { writeFileSync } from 'node:fs';
import { watchTurns } from './longest-turn.js';

export interface Watched {
  /** ms of processor time. */
  readonly longestBlock: number;
  /** KiB. */
  readonly peak: number;
}

const file = process.env['BERTH_BENCH_WATCH'];
if (file !== undefined) {
  let longestTurn = watchTurns();
  process.on('SIGUSR2', () => {
    const watched: Watched = { longestBlock: longestTurn(), peak: process.resourceUsage().maxRSS };
    writeFileSync(file, JSON.stringify(watched));
    longestTurn = watchTurns();
  });
}
