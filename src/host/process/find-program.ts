/** Is a program there? Asked of the search path, without starting anything. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Searched after PATH, as children are (exec.ts): system programs are not on everybody's path. */
const SYSTEM = ['/usr/sbin', '/sbin'];

/** Where a program was last, by search path and name: asked for at every stage, and it hardly ever moves. */
const places = new Map<string, string>();

/** In place: the kernel knows the names of what is started all the time. */
function isThere(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The program's absolute path, or undefined. */
export function findProgram(name: string): string | undefined {
  const search = process.env['PATH'] ?? '/usr/bin:/bin';
  const key = `${search}\0${name}`;
  const before = places.get(key);
  if (before !== undefined && isThere(before)) return before;
  for (const directory of search.split(path.delimiter).concat(SYSTEM)) {
    const file = path.join(directory, name);
    if (!isThere(file)) continue;
    places.set(key, file);
    return file;
  }
  return undefined;
}

/** The first of these programs that is missing, as a reason; undefined where all are there. */
export function missingProgram(...names: string[]): string | undefined {
  const missing = names.find((name) => findProgram(name) === undefined);
  return missing === undefined ? undefined : `the program ${missing} is not installed`;
}
