/**
 * The moment at which the client that has an image's exclusive lock is about to cut a snapshot: librbd asks whoever
 * watches for it, and goes on when all have answered. Since Ceph 16.
 */
import { bind, bindOptional, permanentCallback } from './c-functions.js';
import type { Address, Handle, Library } from './c-functions.js';

type ImageHandle = Handle<'rbd_image_t'>;
type WatchArguments = [ImageHandle, quiesce: Address, unquiesce: Address, watcher: bigint, out: Address];

export const bindQuiesce = (lib: Library) => ({
  /** Asks the client that has the exclusive lock for it, and waits until it has given it back; writes nothing. */
  flush: bind<[ImageHandle], number>(lib, 'int rbd_flush(void *)'),
  isLockOwner: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_is_exclusive_lock_owner(void *, void *)'),
  quiesceWatch: bindOptional<WatchArguments, number>(
    lib,
    'int rbd_quiesce_watch(void *, void *, void *, uint64_t, void *)',
  ),
  /** The watcher's answer to one question; a negative result ends the snapshot with that errno, before it is cut. */
  quiesceComplete: bindOptional<[ImageHandle, watch: bigint, result: number], undefined>(
    lib,
    'void rbd_quiesce_complete(void *, uint64_t, int)',
  ),
  quiesceUnwatch: bindOptional<[ImageHandle, watch: bigint], number>(lib, 'int rbd_quiesce_unwatch(void *, uint64_t)'),
  /** What librbd calls, from a thread of its own that waits only until the watcher has heard it. */
  onQuiesce: permanentCallback(
    (watcher: number | bigint) => tell(Number(watcher)),
    'int berth_quiesce_cb(uint64_t watcher)',
  ),
  onUnquiesce: permanentCallback(() => 0, 'int berth_unquiesce_cb(uint64_t watcher)'),
});

const watchers = new Map<number, () => void>();
let last = 0;

/** A number for `asked`, which is called at each question to it until `forgetWatcher`. */
export function nameWatcher(asked: () => void): number {
  last += 1;
  watchers.set(last, asked);
  return last;
}

export const forgetWatcher = (watcher: number): boolean => watchers.delete(watcher);

function tell(watcher: number): number {
  watchers.get(watcher)?.();
  return 0;
}
