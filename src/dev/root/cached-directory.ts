/** A directory that is made once, at some cost, and lies in a cache from then on: whole, or not there. */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';

const DRAFT = 'new-';
/** Drafts of runs that were killed are older than this, ms. */
const STALE_MS = 3_600_000;

/** The directory `target`. Where it is not there, `make` fills an empty one, which then gets that name. */
export async function cachedDirectory(target: string, make: (draft: string) => Promise<void>): Promise<string> {
  if (await isThere(target)) return target;
  const cache = path.dirname(target);
  await mkdir(cache, { recursive: true });
  await removeStaleDrafts(cache);
  // Two runs may do this at the same time: each in a directory of its own, and the first one names it.
  const draft = await mkdtemp(path.join(cache, DRAFT));
  try {
    await make(draft);
    await rename(draft, target).catch((error: unknown) => {
      if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

async function removeStaleDrafts(cache: string): Promise<void> {
  for (const name of (await readdir(cache)).filter((one) => one.startsWith(DRAFT))) {
    const draft = path.join(cache, name);
    const { mtimeMs } = await stat(draft);
    if (Date.now() - mtimeMs > STALE_MS) await rm(draft, { recursive: true, force: true });
  }
}
