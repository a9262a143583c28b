/** Is a program there? Asked of the search path, without starting anything. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';

/** Searched after PATH, as children are (exec.ts): system programs are not on everybody's path. */
const SYSTEM = ['/usr/sbin', '/sbin'];

/** The program's absolute path, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  const directories = (process.env['PATH'] ?? '/usr/bin:/bin').split(path.delimiter).concat(SYSTEM);
  for (const directory of directories) {
    const file = path.join(directory, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/** The first of these programs that is missing, as a reason; undefined where all are there. */
export async function missingProgram(...names: string[]): Promise<string | undefined> {
  for (const name of names) {
    if ((await findProgram(name)) === undefined) return `the program ${name} is not installed`;
  }
  return undefined;
}
