/** Who keeps a mount busy, as a sentence for an error. */
import { Deadline } from '../../model/deadline.js';
import { describeUsers } from '../users/describe-users.js';
import { usersOfDirectory } from '../users/find-users.js';

/** What the search for an error text may take, in ms. */
const SEARCH_MS = 1_500;
const ROOTS = { sys: '/sys', proc: '/proc' };

/** What is mounted below `path`, what stands on its files, which processes of which pods are in it; never throws. */
export async function describeMountUsers(path: string): Promise<string> {
  try {
    const users = await usersOfDirectory(path, { roots: ROOTS, deadline: Deadline.after(SEARCH_MS) });
    const below =
      users.mounts.length > 0 ? `mounted below it: ${users.mounts.map(({ target }) => target).join(', ')}` : '';
    const others = describeUsers({ ...users, mounts: [] }) ?? '';
    const all = [below, others].filter((one) => one !== '').join('; ');
    return all === '' ? 'nobody who can be seen from here' : all;
  } catch {
    return 'its users could not be determined';
  }
}
