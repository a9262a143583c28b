/**
 * What this node's journal says of one volume, in a line for a person; a machine that is no node of the volume says so.
 */
import { join } from 'node:path';
import { Journal } from '../journal/journal.js';
import { isBerthError } from '../model/errors.js';

/** Never fails: a journal that is not there or cannot be read is told as such. */
export async function journalLine(stateDirectory: string, volume: string): Promise<string> {
  try {
    const entry = await new Journal(join(stateDirectory, 'journal')).read(volume);
    if (entry === undefined) return 'nothing of it';
    const { state, stagingPath, mapping, since, targets } = entry;
    const device = mapping === undefined ? '' : ` as ${mapping.device}`;
    return `${state} at ${stagingPath}${device} since ${since}, published at ${Object.keys(targets).length} path(s)`;
  } catch (error) {
    return `cannot be read: ${isBerthError(error) ? error.message : 'see the log'}`;
  }
}
