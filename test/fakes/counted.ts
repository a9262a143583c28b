/** What a counter has counted, as a scrape reads it. */
import type { Counters, Labels } from '../../src/observe/metrics.js';

/** 0 where nothing was counted. */
export async function counted(counters: Counters, name: string, labels: Labels = {}): Promise<number> {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const series = pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
  const line = (await counters.text()).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
