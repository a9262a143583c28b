/** The runbook, and the doctor's checks: each page and each check has a test that breaks it, and that is there. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECKS } from '../../../src/diagnosis/checks.js';
import { anchorOf } from './document.js';

const page = readFileSync('docs/runbook.md', 'utf8');
const titles = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title!);

/** Rows of a table of tests, by what stands in their first cell. */
function rowsOf(text: string, head: string) {
  const [, behind = ''] = text.split(`| ${head} | file below \`test/\` | its test |\n|---|---|---|\n`);
  const [table = ''] = behind.split('\n\n');
  return table
    .trim()
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map(([, what = '', file = '', title = '']) => ({ what, file: file.replaceAll('`', ''), title }));
}

const rows = rowsOf(page, 'symptom');
const ofChecks = rowsOf(readFileSync('docs/contributing.md', 'utf8'), 'check');

function isThere({ file, title }: { readonly file: string; readonly title: string }): void {
  const whole = path.join('test', file);
  expect(existsSync(whole)).toBe(true);
  expect(readFileSync(whole, 'utf8')).toContain(title);
}

describe('docs/runbook.md', () => {
  it('begins with the node that died and the pod that does not start', () => {
    expect(titles.slice(0, 2)).toEqual(['A node died', 'A pod stays in ContainerCreating']);
  });

  it('names a test for each of its pages', () => {
    const pages = titles.filter((title) => title !== 'Which test breaks it').map(anchorOf);
    const tested = rows.flatMap(({ what }) => /\]\(#([^)]+)\)/.exec(what)?.[1] ?? []);
    expect(tested.toSorted()).toEqual(pages.toSorted());
  });

  it.each(rows)('names a test that breaks: $what', (row) => isThere(row));
});

describe('docs/contributing.md', () => {
  it('names a test for each check of the doctor', () => {
    expect(ofChecks.map(({ what }) => what)).toEqual(CHECKS.map(({ name }) => name));
  });

  it.each(ofChecks)('names a test that breaks the check $what', (row) => isThere(row));
});
