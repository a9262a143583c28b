/** The documents and their parts: which there are, the headings and anchors of one, and what stands in each section. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../../src/model/package-root.js';

export const textOf = (page: string): string => readFileSync(path.join(packageRoot(), page), 'utf8');

/** Every page, as a path below the package: the README, and what is in docs/ in any language. */
export const documents: readonly string[] = [
  ...['README.md', 'SECURITY.md'],
  ...readdirSync(path.join(packageRoot(), 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .toSorted(),
];

/** As GitHub makes an anchor of a heading: lower case, spaces to hyphens, everything but words dropped. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

export interface Block {
  /** What follows the fence: `sh`, `yaml`, or nothing. */
  readonly language: string;
  readonly text: string;
}

/** A heading and what follows it up to the next one, of whatever level. */
export interface Section {
  readonly level: number;
  readonly title: string;
  readonly blocks: readonly Block[];
  /** All but the blocks. */
  readonly prose: string;
}

/** A `#` in a block is a comment, and no heading. What stands before the first heading is left out. */
export function sectionsOf(text: string): readonly Section[] {
  const sections: { level: number; title: string; blocks: Block[]; prose: string }[] = [];
  for (const piece of text.split(/^(```[^]*?^```$|#+ .+$)/m)) {
    const [, marks = '', title = ''] = /^(#+) (.+)$/.exec(piece) ?? [];
    const [, language = '', block] = /^```(.*)\n([^]*)^```$/m.exec(piece) ?? [];
    if (title !== '') sections.push({ level: marks.length, title, blocks: [], prose: '' });
    else if (block !== undefined) sections.at(-1)?.blocks.push({ language, text: block });
    else if (sections.length > 0) sections.at(-1)!.prose += piece;
  }
  return sections;
}
