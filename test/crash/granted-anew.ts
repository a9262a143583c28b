/** A holder record as a node finds it that was fenced while it was away, and was given the volume again since. */
import { formatHolderRecord, parseHolderRecord } from '../../src/attachment/holder-record.js';

/** @param text the record as it is; `volume` its handle */
export function grantedAnew(text: string | undefined, volume: string): string {
  const record = parseHolderRecord(text, volume);
  if (record === undefined) throw new Error(`${volume} has no holder record`);
  const [{ node, since, by, grant }] = record.holders;
  // By the name that the test's publish context has, so that the stage which follows is not too late.
  const named = grant === undefined ? {} : { grant };
  return formatHolderRecord({ ...record, holders: [{ node, since, by, ...named, state: 'granted' }] });
}
