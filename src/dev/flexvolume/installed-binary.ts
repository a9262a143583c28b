/**
 * The driver's binary as the kubelet runs it: installed in its directory, standard output and standard error read as
 * one text.
 */
import { spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../../model/package-root.js';
import type { Answer } from '../../../flexvolume/answer.js';

/** `npm run build` makes it. */
const main = (): string => path.join(packageRoot(), 'dist/flexvolume/main.js');

export interface Ran {
  readonly answer: Answer;
  /** Both streams, in the order in which they came. */
  readonly text: string;
  readonly code: number | null;
}

export interface Installed {
  readonly directory: string;
  run(args: readonly string[]): Promise<Ran>;
}

/** @param program a built single file; node with the compiled script without it */
export async function install(
  plugins: string,
  driver: string,
  settings: Readonly<Record<string, unknown>>,
  program?: string,
): Promise<Installed> {
  const directory = path.join(plugins, driver);
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, '.cephrbd.json'), JSON.stringify(settings));
  const script = path.join(directory, 'cephrbd.js');
  if (program === undefined) await symlink(main(), script).catch(() => undefined);
  const [command, ...before] = program === undefined ? [process.execPath, script] : [program];
  return { directory, run: (args) => run(command, [...before, ...args]) };
}

function run(command: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (part: Buffer) => (text += part.toString()));
    child.stderr.on('data', (part: Buffer) => (text += part.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      try {
        resolve({ answer: JSON.parse(text) as Answer, text, code });
      } catch (error) {
        reject(new Error(`${args[0] ?? 'nothing'}: not one JSON value: ${text}`, { cause: error }));
      }
    });
  });
}

/** Exactly one line, exit status 0: what every call-out owes the kubelet, a failed one too. */
export const isOneLine = ({ text, code }: Ran): boolean =>
  code === 0 && text.endsWith('}\n') && text.indexOf('\n') === text.length - 1;
