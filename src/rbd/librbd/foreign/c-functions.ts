/**
 * The rim of the foreign world: loads C libraries, makes their functions callable, and gives every C handle a type of
 * its own.
 */
import koffi from 'koffi';
import { refusalError } from '../ceph-errors.js';

declare const brand: unique symbol;
/**
 * A C handle. At run time it is a bare number: koffi cannot tell an image from a connection, and a mix-up is a SIGSEGV.
 */
export type Handle<Name extends string> = bigint & { readonly [brand]: Name };

/** An address in C memory; see c-memory.ts for who may keep one. */
export type Address = bigint;

export type Argument = string | number | bigint | Uint8Array | null | ((...args: never[]) => number);

export interface Foreign<Args extends readonly Argument[], Result> {
  /** Call on the event loop: only functions that never wait. */
  now(...args: Args): Result;
  /** Call on a thread of the libuv pool. */
  later(...args: Args): Promise<Result>;
}

/**
 * Ceph runs on the stack that koffi lends it, 128 KiB unless told otherwise, where a pool thread would have 8 MiB.
 * Only touched pages cost memory.
 */
const STACK_BYTES = 1024 * 1024;

/** Must run before the first library is loaded. @param threads size of the libuv pool */
export function prepareForeign(threads: number): void {
  koffi.config({ async_stack_size: STACK_BYTES, resident_async_pools: Math.min(threads, 32), max_async_calls: 4096 });
}

export type Library = ReturnType<typeof koffi.load>;

/** @throws BERTH_LIBRARY_MISSING */
export function openLibrary(file: string): Library {
  try {
    return koffi.load(file);
  } catch (error) {
    throw refusalError('BERTH_LIBRARY_MISSING', {
      library: file,
      why: error instanceof Error ? error.message : String(error),
    });
  }
}

/** What C was lent: keeps every Buffer among the arguments from the garbage collector until the call has returned. */
const lent = new Set<readonly Argument[]>();

/** @param declaration the C prototype; its parameter types must be what `Args` says, nothing checks that for us */
export function bind<Args extends readonly Argument[], Result>(
  library: Library,
  declaration: string,
): Foreign<Args, Result> {
  const call = library.func(declaration);
  return {
    now: (...args) => call(...args) as Result,
    later: (...args) =>
      new Promise<Result>((resolve, reject) => {
        lent.add(args);
        call.async(...args, (error: unknown, result: Result) => {
          lent.delete(args);
          if (error instanceof Error) reject(error);
          else resolve(result);
        });
      }),
  };
}

/** For a function that some releases of Ceph lack. */
export function bindOptional<Args extends readonly Argument[], Result>(
  library: Library,
  declaration: string,
): Foreign<Args, Result> | undefined {
  try {
    return bind<Args, Result>(library, declaration);
  } catch {
    return undefined;
  }
}

/** The type of a callback parameter, by its C prototype. */
export function callbackType(declaration: string): void {
  koffi.proto(declaration);
}

/** A C function pointer that may be called at any time, from any thread, for the rest of the process' life. */
export function permanentCallback(work: (...args: never[]) => number, declaration: string): Address {
  return koffi.register(work, koffi.pointer(koffi.proto(declaration)));
}
