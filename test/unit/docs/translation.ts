/** What a translated page lacks of its English page, or has beyond it, in sentences: page, section, part. */
import path from 'node:path';
import { anchorOf, type Block, type Section, sectionsOf } from './document.js';

export interface Page {
  /** Below the package: `docs/zh/runbook.md`. */
  readonly file: string;
  readonly text: string;
}

export const TRANSLATED = 'docs/zh/';
/** `docs/zh/README.md` is made of README.md, every other page of the one of its name in docs/. */
export const englishOf = (file: string): string =>
  file === `${TRANSLATED}README.md` ? 'README.md' : file.replace(TRANSLATED, 'docs/');

/** Commands, without comments: those may be translated. Of a drawing, which has words in it, the lines are counted. */
function commandsOf({ language, text }: Block): string {
  if (/[┌─]/u.test(text)) return `a drawing of ${text.split('\n').length} lines`;
  const lines = text.split('\n').map((line) => (language === '' ? line : line.replace(/(^|\s+)#.*$/, '')).trimEnd());
  return lines.filter((line) => line !== '').join('\n');
}

/** Codes, commands, real messages and names of files: what stands in backquotes, wherever its line was broken. */
const quotesOf = (prose: string): readonly string[] =>
  [...prose.matchAll(/`([^`]+)`/g)].map(([, quote]) => quote!.replaceAll(/\s+/g, ' '));

const figuresOf = (prose: string): readonly string[] =>
  prose
    .replaceAll(/`[^`]+`/g, '')
    .replaceAll(/\]\([^)]+\)/g, ']')
    .match(/\d+(?:[.,]\d+)*/g) ?? [];

const rowsOf = (prose: string): number => prose.match(/^\|/gm)?.length ?? 0;

/** Tests by their file and their title, which nobody translates. */
const testsOf = (prose: string): readonly string[] =>
  [...prose.matchAll(/^\|.*\| (`\S+\.ts` \| .+) \|$/gm)].map(([, test]) => test!);

/**
 * Where links lead, as the English page would say it. A heading of a translated page is that with the same number in
 * the English one. Links from an English page to its translation are left out.
 */
function linksOf(page: Page, prose: string, read: (file: string) => string): readonly string[] {
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.flatMap((link) => {
    if (/^https?:/.test(link)) return link;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? page.file : path.posix.join(path.posix.dirname(page.file), file);
    if (!target.startsWith(TRANSLATED)) return anchor === undefined ? target : `${target}#${anchor}`;
    if (!page.file.startsWith(TRANSLATED)) return [];
    const english = englishOf(target);
    if (anchor === undefined) return english;
    const text = target === page.file ? page.text : read(target);
    const number = sectionsOf(text).findIndex(({ title }) => anchorOf(title) === anchor);
    const { title = '?' } = sectionsOf(read(english))[number] ?? {};
    return `${english}#${anchorOf(title)}`;
  });
}

/** Sentences for what only one of both has: `it lacks the link docs/errors.md`. */
function differences(what: string, english: readonly string[], translated: readonly string[]): readonly string[] {
  const lacks = english.filter((one) => !translated.includes(one)).map((one) => `it lacks the ${what} ${one}`);
  const extra = translated.filter((one) => !english.includes(one));
  return [...new Set([...lacks, ...extra.map((one) => `the English page has not the ${what} ${one}`)])];
}

/** From which English heading on the two have not the same headings. */
function headingFault(english: readonly Section[], translated: readonly Section[]): string | undefined {
  if (english.length === translated.length && english.every(({ level }, at) => level === translated[at]!.level))
    return undefined;
  const signOf = (section?: Section): string =>
    JSON.stringify([section?.level, section?.blocks.map(commandsOf), quotesOf(section?.prose ?? '').toSorted()]);
  const first = english.findIndex((section, at) => signOf(section) !== signOf(translated[at]));
  const from = english[first]?.title ?? english.at(-1)?.title ?? '?';
  return `it has ${translated.length} headings, the English page ${english.length}; look from "${from}" on`;
}

/**
 * @param read text of a page by its file, for headings that links lead to
 * @returns nothing where both say the same, as far as a machine sees: headings, commands, codes, links, figures, rows
 */
export function faultsOf(english: Page, translated: Page, read: (file: string) => string): readonly string[] {
  const [ours, theirs] = [sectionsOf(translated.text), sectionsOf(english.text)];
  const fault = headingFault(theirs, ours);
  if (fault !== undefined) return [`${translated.file}: ${fault}`];
  return theirs.flatMap((section, at) => {
    const { title, blocks, prose } = ours[at]!;
    const [has, wants] = [rowsOf(prose), rowsOf(section.prose)];
    const faults = [
      ...differences('block', section.blocks.map(commandsOf), blocks.map(commandsOf)),
      ...differences('word', quotesOf(section.prose), quotesOf(prose)),
      ...differences('link', linksOf(english, section.prose, read), linksOf(translated, prose, read)),
      ...differences('test', testsOf(section.prose), testsOf(prose)),
      // A figure may be a word in the English page ("ten minutes").
      ...differences('figure', figuresOf(section.prose), figuresOf(prose)).filter((one) => one.startsWith('it lacks')),
      ...(has === wants ? [] : [`its tables have ${has} lines, those of the English page ${wants}`]),
    ];
    return faults.map((one) => `${translated.file}, "${title}" (${english.file}, "${section.title}"): ${one}`);
  });
}
