/** The lint rule that finds an error that is made and neither thrown nor returned. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Linter, type Rule } from 'eslint';
import { parser } from 'typescript-eslint';
import { afterAll, beforeAll, expect, it } from 'vitest';

const DECLARATIONS = `
class Refusal extends Error { readonly code = 'X'; }
declare const makeError: () => Error;
declare const makeRefusal: () => Refusal;
declare const makeLater: () => Promise<Refusal>;
declare const either: () => Error | undefined;
declare const one: { log(): void; pop(): Refusal | Error };
`;

const REFUSED = [
  'makeError();',
  'makeRefusal();',
  'new Refusal("x");',
  'await makeLater();',
  'one.pop();',
  'if (1) makeError();',
];
const ALLOWED = [
  'throw makeError();',
  'return makeRefusal();',
  'one.log();',
  'await Promise.reject(makeError());',
  'JSON.parse("1");',
  'const kept = makeError(); throw kept;',
  'either();',
];

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'berth-lint-'));
  const compilerOptions = { strict: true, target: 'ES2023', lib: ['ES2023'], types: [] };
  writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.ts'] }));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('unused-error, one statement a line: refuses those that only make an error, and no other', async () => {
  const tool = path.resolve('tools/eslint-unused-error.js');
  const { unusedError } = (await import(tool)) as { unusedError: Rule.RuleModule };
  const statements = [...REFUSED, ...ALLOWED];
  const functions = statements.map((one, index) => `export const f${index} = async () => { ${one} };`);
  const text = DECLARATIONS + functions.join('\n');
  const file = path.join(directory, 'all.ts');
  writeFileSync(file, text);
  const config: Linter.Config = {
    files: ['**/*.ts'],
    languageOptions: { parser, parserOptions: { project: './tsconfig.json', tsconfigRootDir: directory } },
    plugins: { berth: { rules: { 'unused-error': unusedError } } },
    rules: { 'berth/unused-error': 'error' },
  };
  const found = new Linter({ configType: 'flat', cwd: directory }).verify(text, [config], file);
  const before = DECLARATIONS.split('\n').length;
  expect(found.map(({ line }) => statements[line - before])).toEqual(REFUSED);
  expect(found[0]?.message).toBe('This makes an error and does nothing with it: throw it or return it.');
});
