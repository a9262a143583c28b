/** A path as the machine itself resolves it, whose links a container need not have: by the root of pid 1. */
import { access, readlink } from 'node:fs/promises';

/** MAXSYMLINKS of the kernel (fs/namei.c). */
const MAX_LINKS = 40;

/**
 * Where an absolute path leads on the host. Container runtimes resolve a host path there, and know a volume by what
 * comes out. Parts that do not exist stay as given. Where pid 1 cannot be looked at, or is our own (no `hostPID`),
 * links are followed as we see them.
 */
export async function pathOnHost(path: string, procRoot = '/proc'): Promise<string> {
  const host = `${procRoot}/1/root`;
  const root = await access(`${host}/`).then(
    () => host,
    () => '',
  );
  let at: readonly string[] = [];
  let ahead = namesOf(path);
  let links = 0;
  for (let name = ahead[0]; name !== undefined; name = ahead[0]) {
    ahead = ahead.slice(1);
    // One name at a time: the kernel would follow an absolute link from our root, not from the host's.
    const link =
      name === '..' ? undefined : await readlink(`${root}/${[...at, name].join('/')}`).catch(() => undefined);
    if (link === undefined) at = name === '..' ? at.slice(0, -1) : [...at, name];
    else {
      links += 1;
      if (links > MAX_LINKS) return path;
      ahead = [...namesOf(link), ...ahead];
      if (link.startsWith('/')) at = [];
    }
  }
  return `/${at.join('/')}`;
}

const namesOf = (path: string): readonly string[] => path.split('/').filter((name) => name !== '' && name !== '.');
