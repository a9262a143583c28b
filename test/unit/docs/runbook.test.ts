/** The runbook: what stands first in it, and that every test that it names is there. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/runbook.md', 'utf8');
const [, table = ''] = page.split('| symptom | file below `test/` | its test |\n|---|---|---|\n');
const rows = table
  .trim()
  .split('\n')
  .map((row) => row.split('|').map((cell) => cell.trim()))
  .map(([, symptom = '', file = '', title = '']) => ({ symptom, file: file.replaceAll('`', ''), title }));

describe('docs/runbook.md', () => {
  it('begins with the node that died and the pod that does not start', () => {
    const pages = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    expect(pages.slice(0, 2)).toEqual(['A node died', 'A pod stays in ContainerCreating']);
  });

  it.each(rows)('names a test that breaks: $symptom', ({ file, title }) => {
    const whole = path.join('test', file);
    expect(existsSync(whole)).toBe(true);
    expect(readFileSync(whole, 'utf8')).toContain(title);
  });
});
