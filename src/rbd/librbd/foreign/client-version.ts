/**
 * Which release of Ceph the loaded libraries are of, and what is known to be wrong with it. librados and librbd count
 * their interfaces only; the release is told by the library that both of them stand on, in a C++ function.
 */
import { bind, openLibrary } from './c-functions.js';

/** By the names under which librados has loaded it: since 15, and 14.2. */
const LIBRARIES = ['libceph-common.so.2', 'libceph-common.so.0'];

/** `18.2.7`, once librados is loaded; undefined where it cannot be told. */
export function readClientVersion(): string | undefined {
  for (const name of LIBRARIES) {
    try {
      return bind<[], string>(openLibrary(name), 'const char *_Z19ceph_version_to_strv()').now();
    } catch {
      // Another release's name, or none that has the function.
    }
  }
  return undefined;
}

/** The first release of each line of 2.x that is right; what is newer is. */
const FIRST_RIGHT: Readonly<Record<number, number>> = { 16: 15, 17: 8, 18: 2, 19: 0 };

/**
 * Does librbd's diff tell all that a clone has of the images below it? Not in fast-diff mode before 16.2.8 (pull
 * request 44594). Before 16.2.15, 17.2.8 and 18.2.2 it takes an object for a hole that such an image had in an earlier
 * snapshot and has not in the later one, and looks no further down (54547). One whose release is not known is taken for
 * an old one.
 */
export function tellsParents(version: string | undefined): boolean {
  const [major = 0, minor = 0, patch = 0] = (/^\d+\.\d+\.\d+/.exec(version ?? '')?.[0] ?? '').split('.').map(Number);
  const right = FIRST_RIGHT[major];
  return right === undefined ? major > 19 : minor > 2 || (minor === 2 && patch >= right);
}
