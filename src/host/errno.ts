/** The error numbers of system calls, as Node puts them on the errors it throws. */

/** Is this the error of a system call, one of these numbers (`ENOENT`, ...)? */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
