/** The commands of a page of documentation, as somebody would type them, one after the other. */
import { sectionsOf, textOf } from '../../unit/docs/document.js';

export interface Command {
  /** The heading under which it stands. */
  readonly section: string;
  /** With its continued lines, its comment and what it is given by `<<`. */
  readonly text: string;
}

/** Those of the blocks that are marked as `sh`. */
export const commandsOf = (page: string): readonly Command[] =>
  sectionsOf(textOf(page)).flatMap(({ title, blocks }) =>
    blocks
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => commandsIn(text.split('\n')))
      .map((text) => ({ section: title, text })),
  );

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
