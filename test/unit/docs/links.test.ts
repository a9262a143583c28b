/** The documents hold together: links lead somewhere, and codes that they name exist. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../../src/model/errors.js';
import { packageRoot } from '../../../src/model/package-root.js';
import { anchorOf, documents, textOf } from './document.js';

const root = packageRoot();
const anchors = (page: string): readonly string[] =>
  [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

/** A fault in words, or nothing. */
function faultOf(page: string, link: string): string | undefined {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
  if (!existsSync(path.join(root, target))) return `${page}: ${link}: there is no such file`;
  if (anchor === undefined || anchors(target).includes(anchor)) return undefined;
  return `${page}: ${link}: there is no such heading`;
}

describe.each(documents)('%s', (page) => {
  it('has only links that lead to a file and a heading that are there', () => {
    const links = [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    const own = links.filter((link) => !/^https?:/.test(link));
    expect(own.flatMap((link) => faultOf(page, link) ?? [])).toEqual([]);
  });
});

describe('docs/runbook.md', () => {
  it('names only codes of the catalogue', () => {
    const codes = new Set(textOf('docs/runbook.md').match(/BERTH_[A-Z_]+/g));
    expect(codes.size).toBeGreaterThan(10);
    expect([...codes].filter((code) => !(code in catalogue))).toEqual([]);
  });

  it('has a contents list that names each of its symptoms once', () => {
    const text = textOf('docs/runbook.md');
    const listed = [...text.matchAll(/^\d+\. \[.+\]\(#(.+)\)$/gm)].map(([, anchor]) => anchor);
    expect(listed).toEqual([...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => anchorOf(heading!)));
  });
});
