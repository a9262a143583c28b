/** The commands of a page of documentation, as somebody would type them, one after the other. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../../src/model/package-root.js';

export interface Command {
  /** The heading under which it stands. */
  readonly section: string;
  /** With its continued lines, its comment and what it is given by `<<`. */
  readonly text: string;
}

const FENCE = '```';

/** Those of the blocks that are marked as `sh`. */
export function commandsOf(page: string): readonly Command[] {
  const lines = readFileSync(path.join(packageRoot(), page), 'utf8').split('\n');
  const commands: Command[] = [];
  let section = '';
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]!;
    section = /^#+ (.+)$/.exec(line)?.[1] ?? section;
    if (!line.trimStart().startsWith(FENCE)) continue;
    const end = lines.findIndex((one, at) => at > index && one.trim() === FENCE);
    const block = lines.slice(index + 1, end);
    if (line.trim() === `${FENCE}sh`) commands.push(...commandsIn(block).map((text) => ({ section, text })));
    index = end;
  }
  return commands;
}

function commandsIn(block: readonly string[]): readonly string[] {
  const commands: string[] = [];
  for (let index = 0; index < block.length; index += 1) {
    const first = index;
    const document = /<<'?(\w+)'?/.exec(block[index]!)?.[1];
    if (document !== undefined) index = block.indexOf(document, index);
    else while (block[index]!.endsWith('\\')) index += 1;
    const text = block.slice(first, index + 1).join('\n');
    if (text.trim() !== '' && !text.startsWith('#')) commands.push(text);
  }
  return commands;
}
