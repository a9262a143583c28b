/** Is a program there? Asked of the search path, without starting anything. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';

/** Searched after PATH, as children are (exec.ts): system programs are not on everybody's path. */
const SYSTEM = ['/usr/sbin', '/sbin'];

/** Where a program was last, by search path and name: asked for at every stage, and it hardly ever moves. */
const places = new Map<string, string>();

const isThere = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The program's absolute path, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  const search = process.env['PATH'] ?? '/usr/bin:/bin';
  const key = `${search}\0${name}`;
  const before = places.get(key);
  if (before !== undefined && (await isThere(before))) return before;
  for (const directory of search.split(path.delimiter).concat(SYSTEM)) {
    const file = path.join(directory, name);
    if (!(await isThere(file))) continue;
    places.set(key, file);
    return file;
  }
  return undefined;
}

/** The first of these programs that is missing, as a reason; undefined where all are there. */
export async function missingProgram(...names: string[]): Promise<string | undefined> {
  const found = await Promise.all(names.map(findProgram));
  const missing = names.find((_, index) => found[index] === undefined);
  return missing === undefined ? undefined : `the program ${missing} is not installed`;
}
