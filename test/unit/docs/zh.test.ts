/** The Chinese pages say what their English pages say: the same headings, commands, codes, links, figures and rows. */
import { describe, expect, it } from 'vitest';
import { documents, textOf } from './document.js';
import { englishOf, faultsOf, TRANSLATED } from './translation.js';

const pages = documents.filter((page) => page.startsWith(TRANSLATED));

describe('docs/zh', () => {
  it('has a page for each that somebody needs first: README, install, runbook', () => {
    const wanted = documents.filter((page) => /^(README\.md|docs\/(install|runbook)(\.md|\/.+))$/.test(page));
    expect(pages.map(englishOf).toSorted()).toEqual(wanted.toSorted());
  });
});

describe.each(pages)('%s', (page) => {
  const english = englishOf(page);

  it('says in its first line which page it renders, and that the English one counts', () => {
    const [first = ''] = textOf(page).split('\n');
    expect(first).toMatch(/^> .*以英文版为准。$/);
    const up = english.startsWith('docs/') ? english.replace('docs/', '../') : `../../${english}`;
    expect(first).toContain(`[${english}](${up})`);
  });

  it('has all that its English page has, section by section, and no more', () => {
    const faults = faultsOf({ file: english, text: textOf(english) }, { file: page, text: textOf(page) }, textOf);
    expect(faults).toEqual([]);
  });

  it('is led to from its English page', () => {
    const link = english === 'README.md' ? page : page.replace('docs/', '');
    expect(textOf(english)).toContain(`(${link})`);
  });

  it('has a blank between Chinese and Latin letters or figures', () => {
    // A link's text, bold words and quotes count as what stands in them; anchors have no blanks to tell of.
    const prose = textOf(page)
      .replaceAll(/^```[^]*?^```$/gm, '')
      .replaceAll(/\]\([^)]+\)/g, ']');
    expect(prose.match(/\p{Script=Han}[`A-Za-z0-9]|[`A-Za-z0-9]\p{Script=Han}/gu)).toBeNull();
  });
});

describe('a change of the English page that the translation lacks is told by page, section and part', () => {
  const english =
    '# A\n\n## Full\n\nWait 30 s: `BERTH_X`, [more](other.md).\n\n```sh\nceph -s   # health\n```\n\n| a |\n';
  const chinese =
    '> x\n\n# 甲\n\n## 满\n\n等 30 s：`BERTH_X`，[更多](../other.md)。\n\n```sh\nceph -s   # 状态\n```\n\n| 甲 |\n';
  const pageOf = (file: string, text: string) => ({ file, text });
  const faults = (changed: string) =>
    faultsOf(pageOf('docs/p.md', changed), pageOf('docs/zh/p.md', chinese), () => changed);
  const place = 'docs/zh/p.md, "满" (docs/p.md, "Full"): ';

  it('comments in a block may be translated', () => expect(faults(english)).toEqual([]));

  it.each([
    ['ceph -s ', 'ceph -w ', 'it lacks the block ceph -w'],
    ['`BERTH_X`', '`BERTH_Y`', 'it lacks the word BERTH_Y'],
    ['other.md', 'else.md', 'it lacks the link docs/else.md'],
    ['30 s', '45 s', 'it lacks the figure 45'],
    ['| a |\n', '| a |\n| b |\n', 'its tables have 1 lines, those of the English page 2'],
  ])('%j is now %j', (before, after, sentence) => {
    expect(faults(english.replace(before, after))).toContain(place + sentence);
  });

  it('a heading more', () => {
    expect(faults(`${english}\n## New\n`)).toEqual([
      'docs/zh/p.md: it has 2 headings, the English page 3; look from "New" on',
    ]);
  });

  it('a link to a heading is the one of the same number in the English page', () => {
    const linked = faultsOf(
      pageOf('docs/p.md', `${english}[up](#full)`),
      pageOf('docs/zh/p.md', `${chinese}[上](#甲)`),
      () => `${english}[up](#full)`,
    );
    expect(linked).toContain(`${place}it lacks the link docs/p.md#full`);
    expect(linked).toContain(`${place}the English page has not the link docs/p.md#a`);
  });
});
